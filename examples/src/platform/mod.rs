//! A small automation platform that loses its nodes and goes on.
//!
//! Four nodes share timers, sensors and maintenance. Each is a process of its own; they meet in a file, or on servers. [`run`] tells a story in which
//! nodes are killed, frozen and cut off, and [`verify()`] judges what the platform did by the files that it has written, and by nothing else.
//!
//! Where to read first: `timers` is leader election with exactly-once output, `sensors` partitions that move
//! with the nodes, `maintenance` a mutex, `trackers` a work-set, `gate` and `resource` what fencing tokens are for, `member` what runs in the process of a node,
//! `story` what is done to the nodes, `process` how. `pulse` tells a slow platform from a machine that stood still: bounds in time do not count that, and
//! whether anything ran twice does not ask for it.

mod clock;
mod failure;
mod gate;
mod inputs;
mod maintenance;
mod member;
mod narrator;
mod node;
mod options;
mod outbox;
mod process;
mod pulse;
mod records;
mod report;
mod resource;
mod schedule;
mod sensors;
mod site;
mod store;
mod story;
mod timeline;
mod timers;
mod trackers;
mod verify;
mod wire;
mod world;

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ha_core::runtime::{Runtime, TokioRuntime};

use clock::Clock;
use inputs::Inputs;
use narrator::Narrator;
use records::RunRecord;
use resource::Resource;
use site::{CONSOLE, INTAKE, NODES, Site, TRACKERS};
use store::Store;
use timeline::{Timeline, View};
use world::World;

pub use failure::Failure;
pub use member::live;
pub use options::{Command, HELP, Options, Sabotage, parse};
pub use trackers::track;
pub use verify::{Check, TakeOver, Verdict, verify};

/// Runs the platform and verifies its output. Shows what happens on `output`, in colour if that is a terminal.
///
/// # Errors
/// When the platform cannot be run. What goes wrong with its nodes is no error, but shows in the verdict.
pub fn run(options: &Options, colour: bool, output: Box<dyn Write + Send>) -> Result<Verdict, Failure> {
    let inputs = Inputs::read(&options.data)?;
    let folder = output_folder(options)?;
    let failed = |error| Failure::new(format!("cannot start a tokio runtime: {error}"));
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let timeline = tokio.block_on(play(options, inputs, &folder, colour, output))?;
    let verdict = verify(&folder);
    timeline.say(&if options.json { report::json(&verdict) } else { report::text(&verdict, colour) });
    Ok(verdict)
}

/// The verdict as text for a reader, or as a JSON object for a program.
#[must_use]
pub fn show(verdict: &Verdict, json: bool, colour: bool) -> String {
    if json { report::json(verdict) } else { report::text(verdict, colour) }
}

async fn play(
    options: &Options,
    inputs: Inputs,
    folder: &Path,
    colour: bool,
    output: Box<dyn Write + Send>,
) -> Result<Timeline, Failure> {
    let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::current()?);
    let clock = Clock::start(Arc::clone(&runtime));
    let view = if options.json { View::Json } else { View::Text(Narrator::new(colour)) };
    let timeline = Timeline::create(folder, clock.clone(), view, output)?;
    pulse::watch(folder, clock.clone(), timeline.clone())?;
    let fenced = options.sabotage != Some(Sabotage::OpenGate);
    let resource = Arc::new(Resource::create(folder, clock.clone(), timeline.clone(), fenced)?);
    let world = World::create(folder, &inputs.sensors, clock.clone())?;
    if !options.json {
        timeline.say(&report::opening(options, &inputs, folder));
    }
    runtime.spawn("world", Box::pin(Arc::clone(&world).turn()));
    runtime.spawn("narrator", Box::pin(narrate(clock.clone(), timeline.clone())));
    let run = format!("{:016x}", runtime.random());
    let seats: Vec<&str> = NODES.into_iter().chain(TRACKERS).chain([CONSOLE, INTAKE]).collect();
    let store = Store::open(options.url.as_deref(), &seats, &run).await?;
    record_run(options, &inputs, &store, folder)?;
    let site = Site {
        store,
        namespace: format!("platform-{run}"),
        folder: folder.to_owned(),
        runtime,
        clock,
        timeline: timeline.clone(),
        resource: Arc::clone(&resource),
        world: Arc::clone(&world),
        inputs,
        ttl: options.ttl,
        patience: options.patience,
        sabotage: options.sabotage,
    };
    story::tell(site).await?;
    resource.check()?;
    world.check()?;
    timeline.check()?;
    Ok(timeline)
}

/// Shows what happened while it happens.
async fn narrate(clock: Clock, timeline: Timeline) {
    loop {
        clock.sleep(narrator::TOGETHER).await;
        timeline.flush();
    }
}

fn record_run(options: &Options, inputs: &Inputs, store: &Store, folder: &Path) -> Result<(), Failure> {
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let record = RunRecord {
        ttl_ms: millis(options.ttl),
        patience_ms: millis(options.patience),
        sees_deaths: store.sees_deaths(),
        nodes: NODES.map(str::to_owned).into(),
        inputs: inputs.clone(),
    };
    let mut file = records::OutputFile::create(folder, records::RUN)?;
    file.append(&record);
    file.check()
}

/// The folder that was asked for, or a new one for temporary files.
fn output_folder(options: &Options) -> Result<PathBuf, Failure> {
    if let Some(folder) = &options.output {
        std::fs::create_dir_all(folder).map_err(|error| Failure::at("create", folder, error))?;
        return Ok(folder.clone());
    }
    // Process ids come again, and old output is kept.
    let name =
        |number: u32| std::env::temp_dir().join(format!("ha-platform-{}-{number}", std::process::id()));
    let mut number = 1;
    loop {
        let folder = name(number);
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(Failure::at("create", &folder, error)),
        }
    }
}
