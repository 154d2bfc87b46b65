//! The client library alone, doing what a recipe at least has to do.

use std::time::Duration;

use ha_conformance::figures::{self, Failure, failed};
use zookeeper_client::{Acls, Client, CreateMode, CreateOptions, Error as ClientError, OneshotWatcher};

const PLACE: CreateOptions<'static> = CreateMode::EphemeralSequential.with_acls(Acls::anyone_all());
const EPHEMERAL: CreateOptions<'static> = CreateMode::Ephemeral.with_acls(Acls::anyone_all());
const PERSISTENT: CreateOptions<'static> = CreateMode::Persistent.with_acls(Acls::anyone_all());

/// What is handed over.
const TURN: &str = "/raw-turn";
const TRIP: &str = "/raw-round-trip";

pub(crate) struct Raw {
    client: Client,
}

impl Raw {
    async fn enter(&self, queue: &str) -> Result<(String, Vec<String>), Failure> {
        let (directory, prefix) = (format!("/{queue}"), format!("/{queue}/place-"));
        let (created, children) = tokio::join!(
            biased;
            self.client.create(&prefix, b"", &PLACE),
            self.client.get_children(&directory)
        );
        Ok((format!("place-{}", created?.1), children?.0))
    }
}

impl figures::Raw for Raw {
    type Turn = OneshotWatcher;

    async fn connect(address: &str) -> Result<Self, Failure> {
        let client =
            Client::connector().with_session_timeout(Duration::from_secs(10)).connect(address).await?;
        let raw = Self { client };
        raw.prepare(&TRIP[1..]).await?;
        Ok(raw)
    }

    async fn prepare(&self, queue: &str) -> Result<(), Failure> {
        match self.client.create(&format!("/{queue}"), b"", &PERSISTENT).await {
            Ok(_) | Err(ClientError::NodeExists) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates a place and lists who is there, in one flight, and deletes the place: two round trips.
    async fn pair(&self, queue: &str) -> Result<(), Failure> {
        let (place, names) = self.enter(queue).await?;
        if names.iter().any(|name| *name < place) {
            return Err(failed("take a lock that nobody else wants"));
        }
        Ok(self.client.delete(&format!("/{queue}/{place}"), None).await?)
    }

    /// By the recipe that everybody knows: whoever is next watches the one before.
    async fn contended_pair(&self, queue: &str) -> Result<(), Failure> {
        let (place, mut names) = self.enter(queue).await?;
        while let Some(before) = names.into_iter().filter(|name| *name < place).max() {
            match self.client.get_and_watch_data(&format!("/{queue}/{before}")).await {
                Ok((_, _, watcher)) => drop(watcher.changed().await),
                Err(ClientError::NoNode) => {}
                Err(error) => return Err(error.into()),
            }
            // Whoever was before may have died in the middle of the queue.
            names = self.client.get_children(&format!("/{queue}")).await?.0;
        }
        Ok(self.client.delete(&format!("/{queue}/{place}"), None).await?)
    }

    async fn round_trip(&self) -> Result<(), Failure> {
        let mut writer = self.client.new_multi_writer();
        writer.add_check_version(TRIP, -1)?;
        writer.add_set_data(TRIP, b"", None)?;
        writer.commit().await?;
        Ok(())
    }

    async fn await_turn(&self) -> Result<OneshotWatcher, Failure> {
        match self.client.create(TURN, b"", &EPHEMERAL).await {
            Ok(_) | Err(ClientError::NodeExists) => Ok(self.client.get_and_watch_data(TURN).await?.2),
            Err(error) => Err(error.into()),
        }
    }

    async fn hand_over(&self, next: &Self, turn: OneshotWatcher) -> Result<(), Failure> {
        let created = async {
            turn.changed().await;
            next.client.create(TURN, b"", &EPHEMERAL).await
        };
        tokio::try_join!(self.client.delete(TURN, None), created)?;
        Ok(())
    }

    async fn add(&self, names: &[String], value: &[u8]) -> Result<(), Failure> {
        let mut writer = self.client.new_multi_writer();
        for name in names {
            writer.add_create(&format!("/{name}"), value, &PERSISTENT)?;
        }
        writer.commit().await?;
        Ok(())
    }

    async fn claim_and_complete(&self, names: &[String], value: &[u8]) -> Result<(), Failure> {
        for version in 0..2 {
            let mut writer = self.client.new_multi_writer();
            for name in names {
                writer.add_set_data(&format!("/{name}"), value, Some(version))?;
            }
            writer.commit().await?;
        }
        Ok(())
    }
}
