//! The client library alone, doing what a recipe at least has to do.

use etcd_client::{
    Client, Compare, CompareOp, EventType, GetOptions, PutOptions, ResponseHeader, SortOrder, SortTarget,
    Txn, TxnOp, TxnOpResponse, WatchOptions, WatchStream,
};
use ha_conformance::figures::{self, Failure, failed};

/// The key that is handed over.
const TURN: &str = "/raw/turn";

/// A client with a lease.
pub(crate) struct Raw {
    client: Client,
    lease: i64,
}

impl Raw {
    /// Creates a place if it is absent, and reads who is first. Returns whether this place is, and the revision that created it.
    async fn enter(&self, queue: &str) -> Result<(String, bool, i64), Failure> {
        let key = format!("/raw/{queue}/{:x}", self.lease);
        let oldest =
            GetOptions::new().with_prefix().with_sort(SortTarget::Create, SortOrder::Ascend).with_limit(1);
        let acquire = Txn::new()
            .when([Compare::create_revision(key.clone(), CompareOp::Equal, 0)])
            .and_then([
                TxnOp::put(key.clone(), "", Some(PutOptions::new().with_lease(self.lease))),
                TxnOp::get(format!("/raw/{queue}/"), Some(oldest)),
            ])
            .or_else([TxnOp::get(key.clone(), None)]);
        let answer = self.client.kv_client().txn(acquire).await?;
        if !answer.succeeded() {
            return Err(failed("take a place that nobody else has"));
        }
        let created = answer.header().map_or(0, ResponseHeader::revision);
        let first = answer.op_responses().into_iter().find_map(|response| match response {
            TxnOpResponse::Get(read) => read.kvs().first().map(|first| first.key() == key.as_bytes()),
            _ => None,
        });
        Ok((key, first == Some(true), created))
    }

    /// Who is next before that revision, and from which revision on its deletion is news.
    async fn before(&self, queue: &str, created: i64) -> Result<Option<(Vec<u8>, i64)>, Failure> {
        let before = GetOptions::new()
            .with_prefix()
            .with_sort(SortTarget::Create, SortOrder::Descend)
            .with_max_create_revision(created - 1)
            .with_limit(1);
        let read = self.client.kv_client().get(format!("/raw/{queue}/"), Some(before)).await?;
        let since = read.header().map_or(0, ResponseHeader::revision) + 1;
        Ok(read.kvs().first().map(|before| (before.key().to_vec(), since)))
    }
}

async fn deletion(events: &mut WatchStream) -> Result<(), Failure> {
    loop {
        let answer = events.message().await?.ok_or_else(|| failed("hear of the deletion"))?;
        if answer.events().iter().any(|event| event.event_type() == EventType::Delete) {
            return Ok(());
        }
    }
}

impl figures::Raw for Raw {
    type Turn = WatchStream;

    async fn connect(address: &str) -> Result<Self, Failure> {
        let mut client = Client::connect([address], None).await?;
        let lease = client.lease_grant(600, None).await?.id();
        Ok(Self { client, lease })
    }

    async fn prepare(&self, _queue: &str) -> Result<(), Failure> {
        Ok(())
    }

    /// Two requests.
    async fn pair(&self, queue: &str) -> Result<(), Failure> {
        let (key, is_first, _) = self.enter(queue).await?;
        if !is_first {
            return Err(failed("take a lock that nobody else wants"));
        }
        self.client.kv_client().delete(key, None).await?;
        Ok(())
    }

    /// By the recipe that everybody knows: whoever is next watches the one before.
    async fn contended_pair(&self, queue: &str) -> Result<(), Failure> {
        let (key, is_first, created) = self.enter(queue).await?;
        if !is_first {
            // Whoever was before may have died in the middle of the queue: so it looks again.
            while let Some((before, since)) = self.before(queue, created).await? {
                let options = WatchOptions::new().with_start_revision(since);
                deletion(&mut self.client.watch_client().watch(before, Some(options)).await?).await?;
            }
        }
        let mut kv = self.client.kv_client();
        kv.delete(key, None).await?;
        Ok(())
    }

    async fn round_trip(&self) -> Result<(), Failure> {
        let txn = Txn::new()
            .when([Compare::create_revision("/raw/never", CompareOp::Equal, 0)])
            .and_then([TxnOp::put("/raw/round-trip", "", None)]);
        self.client.kv_client().txn(txn).await?;
        Ok(())
    }

    async fn await_turn(&self) -> Result<WatchStream, Failure> {
        self.client.kv_client().put(TURN, "", None).await?;
        Ok(self.client.watch_client().watch(TURN, None).await?)
    }

    async fn hand_over(&self, next: &Self, mut turn: WatchStream) -> Result<(), Failure> {
        let (mut here, mut there) = (self.client.kv_client(), next.client.kv_client());
        let created = async {
            deletion(&mut turn).await?;
            let absent = Compare::create_revision(TURN, CompareOp::Equal, 0);
            let create = TxnOp::put(TURN, "", Some(PutOptions::new().with_lease(next.lease)));
            there.txn(Txn::new().when([absent]).and_then([create])).await?;
            Ok::<_, Failure>(())
        };
        let deleted = async {
            let there = Compare::create_revision(TURN, CompareOp::Greater, 0);
            here.txn(Txn::new().when([there]).and_then([TxnOp::delete(TURN, None)])).await?;
            Ok::<_, Failure>(())
        };
        tokio::try_join!(deleted, created)?;
        Ok(())
    }

    async fn add(&self, names: &[String], value: &[u8]) -> Result<(), Failure> {
        let puts: Vec<_> = names.iter().map(|name| TxnOp::put(format!("/raw/{name}"), value, None)).collect();
        self.client.kv_client().txn(Txn::new().and_then(puts)).await?;
        Ok(())
    }

    async fn claim_and_complete(&self, names: &[String], value: &[u8]) -> Result<(), Failure> {
        for version in 1..3 {
            let is_at = |name: &String| Compare::version(format!("/raw/{name}"), CompareOp::Equal, version);
            let put = |name: &String| TxnOp::put(format!("/raw/{name}"), value, None);
            let txn = Txn::new()
                .when(names.iter().map(is_at).collect::<Vec<_>>())
                .and_then(names.iter().map(put).collect::<Vec<_>>());
            if !self.client.kv_client().txn(txn).await?.succeeded() {
                return Err(failed("write items that nobody else writes"));
            }
        }
        Ok(())
    }
}
