//! The client library alone, doing what a lock at least has to do.

use etcd_client::{
    Client, Compare, CompareOp, Event, EventType, GetOptions, PutOptions, SortOrder, SortTarget, Txn, TxnOp,
    WatchStream,
};

use crate::{Failure, failed};

/// The key that is handed over.
const TURN: &str = "/raw/turn";

fn is_deletion(event: &Event) -> bool {
    event.event_type() == EventType::Delete
}

/// A client with a lease, as a process would have it that uses no library above it.
pub(crate) struct Raw {
    client: Client,
    lease: i64,
}

impl Raw {
    pub(crate) async fn connect(address: &str) -> Result<Self, Failure> {
        let mut client = Client::connect([address], None).await?;
        let lease = client.lease_grant(600, None).await?.id();
        Ok(Self { client, lease })
    }

    /// Creates a place in a queue if it is absent, reads who is there, and deletes the place: two requests.
    pub(crate) async fn pair(&self, queue: &str, place: &str) -> Result<(), Failure> {
        let key = format!("/raw/{queue}/{place}");
        let mut kv = self.client.kv_client();
        let oldest =
            GetOptions::new().with_prefix().with_sort(SortTarget::Create, SortOrder::Ascend).with_limit(1);
        let acquire = Txn::new()
            .when([Compare::create_revision(key.clone(), CompareOp::Equal, 0)])
            .and_then([
                TxnOp::put(key.clone(), "", Some(PutOptions::new().with_lease(self.lease))),
                TxnOp::get(format!("/raw/{queue}/"), Some(oldest)),
            ])
            .or_else([TxnOp::get(key.clone(), None)]);
        if !kv.txn(acquire).await?.succeeded() {
            return Err(failed("take a place that nobody else has"));
        }
        kv.delete(key, None).await?;
        Ok(())
    }

    /// One write that is guarded: a round trip.
    pub(crate) async fn round_trip(&self) -> Result<(), Failure> {
        let txn = Txn::new()
            .when([Compare::create_revision("/raw/never", CompareOp::Equal, 0)])
            .and_then([TxnOp::put("/raw/round-trip", "", None)]);
        self.client.kv_client().txn(txn).await?;
        Ok(())
    }

    /// A watch of what [`hand_over`](Self::hand_over) is about, once it is there.
    pub(crate) async fn watch_turn(&self) -> Result<WatchStream, Failure> {
        let mut kv = self.client.kv_client();
        kv.put(TURN, "", None).await?;
        Ok(self.client.watch_client().watch(TURN, None).await?)
    }

    /// What a hand-over at least has to do, one after the other: a deletion, its event at the other client, and a creation by that one.
    pub(crate) async fn hand_over(&self, next: &Self, events: &mut WatchStream) -> Result<(), Failure> {
        let (mut here, mut there) = (self.client.kv_client(), next.client.kv_client());
        let created = async {
            while !events
                .message()
                .await?
                .ok_or_else(|| failed("hear of the deletion"))?
                .events()
                .iter()
                .any(is_deletion)
            {}
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

    pub(crate) async fn close(mut self) -> Result<(), Failure> {
        self.client.lease_revoke(self.lease).await?;
        Ok(())
    }
}
