//! The same sensors under each planner: who polls what, what happens when a node dies, and what a map made by hand loses then.
#![expect(clippy::print_stdout, reason = "a program that talks to its reader")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ha::memory::MemoryBackend;
use ha::partition::planner::{ByLoad, HashRanges, Loads, Plan, Problem, Rendezvous, StaticMap, Sticky};
use ha::partition::{Layout, Partitions};
use ha::runtime::IoThread;
use ha::{Coordinator, Error, ErrorKind};

const TTL: Duration = Duration::from_millis(500);
/// Everything that this program waits for comes within a ttl and a moment.
const PATIENCE: Duration = Duration::from_secs(10);
const SENSORS: u32 = 12;
const NODES: [&str; 3] = ["box-1", "box-2", "box-3"];

/// How sensors are given to nodes.
#[derive(Clone, Copy, Debug)]
enum Strategy {
    /// Evenly; what a dead node had goes to the others.
    Dynamic,
    /// Evenly by what they cost: the first three cost three times as much as the others.
    ByLoad,
    /// To whoever ranks highest.
    Ranked,
    /// By a function of one's own, which looks at who is here and not at who owned what: it moves more than it has to.
    Own,
    /// By a list in a file.
    Map,
    /// By ranges of their numbers.
    Ranges,
}

impl Strategy {
    fn apply(self, sensors: Partitions) -> Result<Partitions, Error> {
        Ok(match self {
            Self::Dynamic => sensors.planner(Sticky::new()),
            Self::ByLoad => {
                // A service would measure; what it measures then is shared with the planner while that works.
                let loads = Loads::new();
                (0..3).try_for_each(|sensor| loads.set(sensor, 3.0))?;
                sensors.planner(ByLoad::new(&loads))
            }
            Self::Ranked => sensors.planner(Rendezvous::new()),
            Self::Own => sensors.planner(blocks),
            Self::Map => {
                let nodes = NODES.iter().cycle().zip(0..SENSORS);
                sensors.planner(nodes.fold(StaticMap::new(), |map, (node, sensor)| map.put(sensor, *node)))
            }
            Self::Ranges => sensors.planner(HashRanges::new(NODES)),
        })
    }

    /// Whether others take over what a dead node had.
    fn survives(self) -> bool {
        !matches!(self, Self::Map | Self::Ranges)
    }
}

/// A planner of one's own: neighbours together, on whoever is here.
fn blocks(problem: &Problem) -> Plan {
    let (seats, sensors) = (problem.seats().len(), problem.partitions());
    let seat = |sensor: usize| u32::try_from(sensor * seats / sensors).ok().filter(|_| seats > 0);
    Plan::new((0..sensors).map(seat).collect())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    use Strategy::{ByLoad, Dynamic, Map, Own, Ranges, Ranked};
    for strategy in [Dynamic, ByLoad, Ranked, Own, Map, Ranges] {
        show(strategy).await?;
    }
    Ok(())
}

async fn show(strategy: Strategy) -> Result<(), Error> {
    println!("-- {strategy:?}");
    // On a store of several machines these are processes, and the URL is all that differs.
    let store = Arc::new(MemoryBackend::new());
    let mut nodes = Vec::new();
    for name in NODES {
        let life = IoThread::start()?;
        let builder = Coordinator::builder(store.clone()).namespace("sensors").node(name).ttl(TTL);
        let node = builder.runtime(Arc::new(life.runtime())).connect().await?;
        let sensors = strategy.apply(node.partitions("sensors", SENSORS)?.min_members(NODES.len()))?;
        nodes.push((life, tokio::spawn(poll(node, sensors))));
    }
    let observer =
        Coordinator::builder(store).namespace("sensors").node("observer").observer().connect().await?;
    let sensors = observer.partitions("sensors", SENSORS)?;
    let before =
        until(&sensors, |layout| layout.partitions() == SENSORS && layout.unowned().is_empty()).await?;
    println!("{}", shares(&before));
    let (dead, _) = nodes.remove(0);
    dead.stop();
    let orphans: Vec<u32> = (0..SENSORS).filter(|sensor| is_owned_by(&before, *sensor, NODES[0])).collect();
    let over = |layout: &Layout| !layout.counts().contains_key(NODES[0]);
    let after =
        until(&sensors, |layout| over(layout) && (!strategy.survives() || layout.unowned().is_empty()))
            .await?;
    println!("{} dies with sensors {orphans:?}: {}", NODES[0], shares(&after));
    let moved = (0..SENSORS).filter(|sensor| {
        let owner = |layout: &Layout| layout.owner_of(*sensor).map(|owner| owner.node);
        !orphans.contains(sensor) && owner(&before) != owner(&after)
    });
    println!("nobody polls {:?}, and {} others have moved", after.unowned(), moved.count());
    Ok(())
}

/// The sensor service: polls every sensor that it owns, as long as the node lives.
async fn poll(node: Coordinator, sensors: Partitions) -> Result<(), Error> {
    let served = sensors
        .run(|sensor, grant| async move {
            while !sensor.is_revoked() && grant.is_valid() {
                // A reading is written with the token, so that whoever takes it can refuse one that is out of date.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    drop(node);
    served
}

fn is_owned_by(layout: &Layout, sensor: u32, node: &str) -> bool {
    layout.owner_of(sensor).is_some_and(|owner| owner.node == node)
}

fn shares(layout: &Layout) -> String {
    let mut shares: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for sensor in 0..SENSORS {
        if let Some(owner) = layout.owner_of(sensor) {
            shares.entry(owner.node).or_default().push(sensor);
        }
    }
    let shares = shares.into_iter().map(|(node, sensors)| format!("{node} polls {sensors:?}"));
    shares.collect::<Vec<_>>().join(", ")
}

async fn until(sensors: &Partitions, wanted: impl Fn(&Layout) -> bool) -> Result<Layout, Error> {
    let mut layouts = sensors.layouts();
    let looking = async {
        while let Some(layout) = layouts.next().await {
            if wanted(&layout) {
                return Some(layout);
            }
        }
        None
    };
    let found = tokio::time::timeout(PATIENCE, looking).await.ok().flatten();
    found.ok_or_else(|| Error::new(ErrorKind::Timeout, "wait for the sensors to be assigned"))
}
