//! A leader that was replaced writes late, and three resources refuse it: a table, a file, a service. Also after they were restarted.
#![expect(clippy::print_stdout, reason = "a program that talks to its reader")]

use std::error::Error;
use std::path::Path;

use ha::Token;
use ha_examples::fencing::{Journal, Receiver, Refusal, Table, send};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("fencing-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let shown = show(&folder).await;
    std::fs::remove_dir_all(&folder)?;
    shown
}

async fn show(folder: &Path) -> Result<(), Box<dyn Error>> {
    let box_1 = ha::builder().namespace("example").node("box-1").connect("memory:").await?;
    let box_2 = ha::builder().namespace("example").node("box-2").connect("memory:").await?;
    let first = box_1.election("timers")?.campaign().await?;
    // What a process that is stopped here believes for as long as it is stopped.
    let late = first.token();
    write_all(folder, "box-1", late)?;
    first.resign().await?;
    let second = box_2.election("timers")?.campaign().await?;
    write_all(folder, "box-2", second.token())?;
    write_all(folder, "box-1, late,", late)?;
    second.resign().await?;
    Ok(())
}

/// Writes to each resource, which is opened anew each time, as after a restart.
fn write_all(folder: &Path, who: &str, token: Token) -> Result<(), Refusal> {
    let tell = |resource: &str, written: Result<(), Refusal>| match written {
        Ok(()) => println!("{resource}: {who} wrote with token {token}"),
        Err(refusal) => println!("{resource}: {who} was {refusal}"),
    };
    tell("table", Table::open(&folder.join("ticks.db"))?.write("timers", token, who));
    tell("file", Journal::open(&folder.join("ticks.log"))?.append(token, who));
    let receiver = Receiver::start(Journal::open(&folder.join("received.log"))?)?;
    println!("service: {who} was answered {} for token {token}", send(receiver.address(), token, who)?);
    Ok(())
}
