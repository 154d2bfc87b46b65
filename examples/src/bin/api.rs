//! API nodes that join a group with their address and readiness, and a router that sends each request to a member that can serve it.
//!
//! One of the nodes dies without a word: the router's view drops it after its ttl, and requests go to the others. The same for one that is drained by an
//! operator, and one that says that it is not ready.
#![expect(clippy::print_stdout, reason = "a program that talks to its reader")]

use std::sync::Arc;
use std::time::Duration;

use ha::group::{Change, Group, Membership, Profile, Status, View};
use ha::runtime::IoThread;
use ha::{Coordinator, Error};

const TTL: Duration = Duration::from_secs(1);
/// Everything that this program waits for comes within a ttl and a moment.
const PATIENCE: Duration = Duration::from_secs(10);

/// An API node: what a process of its own would have.
struct Api {
    membership: Membership,
    /// The thread of its session. Without it the node is as dead as after a crash.
    life: IoThread,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    // On a store of several machines these are processes, and the URL is all that differs.
    let node = connect("router").await?;
    let router = node.group("api")?;
    tokio::spawn(tell_changes(router.clone()));
    let mut nodes = Vec::new();
    for number in 1..=3 {
        nodes.push(start(number).await?);
    }
    expect(&router, "all are starting", |view| view.len() == 3 && view.available().count() == 0).await?;
    for api in &nodes {
        api.membership.set_ready(true).await?;
    }
    route(&router, &["box-1", "box-2", "box-3"]).await?;

    println!("-- box-1 dies");
    let dead = nodes.remove(0);
    dead.life.stop();
    route(&router, &["box-2", "box-3"]).await?;

    println!("-- an operator drains box-2");
    router.set_status("box-2", Status::Drained).await?;
    route(&router, &["box-3"]).await?;
    router.set_status("box-2", Status::Active).await?;

    println!("-- box-3 is busy with something else");
    nodes[1].membership.update(|profile| profile.ready(false).state("reloading")).await?;
    route(&router, &["box-2"]).await?;

    println!("-- box-3 leaves");
    nodes.remove(1).membership.leave().await?;
    expect(&router, "box-2 is left alone", |view| view.members().map(|m| m.node.as_str()).eq(["box-2"]))
        .await?;
    println!("done");
    node.shutdown(TTL).await
}

async fn connect(node: &str) -> Result<Coordinator, Error> {
    ha::builder().namespace("example").node(node).ttl(TTL).connect("memory:api").await
}

/// Starts an API node, which is not ready at first.
async fn start(number: u16) -> Result<Api, Error> {
    let life = IoThread::start()?;
    let node = ha::builder().namespace("example").node(format!("box-{number}")).ttl(TTL);
    let node = node.runtime(Arc::new(life.runtime())).connect("memory:api").await?;
    let address = format!("10.0.0.{number}:8080");
    let profile = Profile::new().address(address).role("rest").label("version", "1.4").ready(false);
    let membership = node.group("api")?.join(profile.state("starting")).await?;
    // The coordinator lives as long as the node: the membership does not keep it.
    tokio::spawn(async move {
        std::future::pending::<()>().await;
        drop(node);
    });
    Ok(Api { membership, life })
}

/// What the router sees, as it sees it.
async fn tell_changes(router: Group) {
    let mut changes = router.changes();
    while let Some(change) = changes.next().await {
        match change {
            Change::Joined(member) => {
                println!("{} joined at {}", member.node, member.address.as_deref().unwrap_or("?"))
            }
            Change::Left(member) => println!("{} left", member.node),
            Change::Updated(member) => println!("{} can serve: {}", member.node, member.is_available()),
            Change::Restarted { member, .. } => println!("{} came again", member.node),
            Change::Resynced(view) => println!("{} are here", view.len()),
            _ => {}
        }
    }
}

/// Sends requests in turn to whoever can serve, once these are the ones that can.
async fn route(router: &Group, nodes: &[&str]) -> Result<(), Error> {
    let can_serve =
        |view: &View| view.available().map(|member| member.node.as_str()).eq(nodes.iter().copied());
    let view = expect(router, &format!("{nodes:?} can serve"), can_serve).await?;
    let targets: Vec<_> = view.available().filter_map(|member| member.address.as_deref()).collect();
    for (request, target) in (1..=4).zip(targets.iter().cycle()) {
        println!("request {request} goes to {target}");
    }
    Ok(())
}

async fn expect(router: &Group, what: &str, wanted: impl FnMut(&View) -> bool) -> Result<View, Error> {
    let waiting = tokio::time::timeout(PATIENCE, router.wait_until(wanted));
    waiting.await.unwrap_or_else(|_| {
        Err(Error::new(ha::ErrorKind::Timeout, "see").on(what).because("the view did not become like that"))
    })
}
