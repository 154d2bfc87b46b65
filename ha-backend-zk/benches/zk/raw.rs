//! The client library alone, doing what a recipe at least has to do.

use std::time::Duration;

use zookeeper_client::{Acls, Client, CreateMode, CreateOptions, Error as ClientError, OneshotWatcher};

use crate::{Failure, failed};

const PLACE: CreateOptions<'static> = CreateMode::EphemeralSequential.with_acls(Acls::anyone_all());
const EPHEMERAL: CreateOptions<'static> = CreateMode::Ephemeral.with_acls(Acls::anyone_all());
const PERSISTENT: CreateOptions<'static> = CreateMode::Persistent.with_acls(Acls::anyone_all());

/// What is handed over.
const TURN: &str = "/raw-turn";

/// A client with a session, as a process would have it that uses no library above it.
pub(crate) struct Raw {
    client: Client,
}

impl Raw {
    pub(crate) async fn connect(address: &str) -> Result<Self, Failure> {
        let client =
            Client::connector().with_session_timeout(Duration::from_secs(10)).connect(address).await?;
        Ok(Self { client })
    }

    /// Makes a directory.
    pub(crate) async fn directory(&self, path: &str) -> Result<(), Failure> {
        match self.client.create(path, b"", &PERSISTENT).await {
            Ok(_) | Err(ClientError::NodeExists) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates a place in a queue and lists who is there, in one flight, and deletes the place: two round trips.
    pub(crate) async fn pair(&self, queue: &str) -> Result<(), Failure> {
        let (place, names) = self.enter(queue).await?;
        if names.iter().any(|name| *name < place) {
            return Err(failed("take a lock that nobody else wants"));
        }
        Ok(self.client.delete(&format!("{queue}/{place}"), None).await?)
    }

    /// Waits for its turn in a queue, by the recipe that everybody knows: whoever is next watches the one before. Then it leaves.
    pub(crate) async fn contended_pair(&self, queue: &str) -> Result<(), Failure> {
        let (place, mut names) = self.enter(queue).await?;
        while let Some(before) = names.into_iter().filter(|name| *name < place).max() {
            match self.client.get_and_watch_data(&format!("{queue}/{before}")).await {
                Ok((_, _, watcher)) => drop(watcher.changed().await),
                Err(ClientError::NoNode) => {}
                Err(error) => return Err(error.into()),
            }
            // Whoever was before may have died in the middle of the queue.
            names = self.client.get_children(queue).await?.0;
        }
        Ok(self.client.delete(&format!("{queue}/{place}"), None).await?)
    }

    async fn enter(&self, queue: &str) -> Result<(String, Vec<String>), Failure> {
        let prefix = format!("{queue}/place-");
        let (created, children) = tokio::join!(
            biased;
            self.client.create(&prefix, b"", &PLACE),
            self.client.get_children(queue)
        );
        Ok((format!("place-{}", created?.1), children?.0))
    }

    /// One write that is guarded: a round trip.
    pub(crate) async fn round_trip(&self, path: &str) -> Result<(), Failure> {
        let mut writer = self.client.new_multi_writer();
        writer.add_check_version(path, -1)?;
        writer.add_set_data(path, b"", None)?;
        writer.commit().await?;
        Ok(())
    }

    /// Watches what [`hand_over`](Self::hand_over) is about.
    pub(crate) async fn watch_turn(&self) -> Result<OneshotWatcher, Failure> {
        match self.client.create(TURN, b"", &EPHEMERAL).await {
            Ok(_) | Err(ClientError::NodeExists) => Ok(self.client.get_and_watch_data(TURN).await?.2),
            Err(error) => Err(error.into()),
        }
    }

    /// What a hand-over at least has to do, one after the other: a deletion, its event at the other client, and a creation by that one.
    pub(crate) async fn hand_over(&self, next: &Self, deleted: OneshotWatcher) -> Result<(), Failure> {
        let created = async {
            deleted.changed().await;
            next.client.create(TURN, b"", &EPHEMERAL).await
        };
        tokio::try_join!(self.client.delete(TURN, None), created)?;
        Ok(())
    }

    /// Creates so many items in one step.
    pub(crate) async fn add(&self, paths: &[String], value: &[u8]) -> Result<(), Failure> {
        let mut writer = self.client.new_multi_writer();
        for path in paths {
            writer.add_create(path, value, &PERSISTENT)?;
        }
        writer.commit().await?;
        Ok(())
    }

    /// Claims items that nobody has claimed, in one step, and completes them in another one.
    pub(crate) async fn claim_and_complete(&self, paths: &[String], value: &[u8]) -> Result<(), Failure> {
        let mut claim = self.client.new_multi_writer();
        for path in paths {
            claim.add_set_data(path, value, Some(0))?;
        }
        claim.commit().await?;
        let mut complete = self.client.new_multi_writer();
        for path in paths {
            complete.add_set_data(path, value, Some(1))?;
        }
        complete.commit().await?;
        Ok(())
    }
}
