//! The trackers: processes that share a list of files to hash, and of which one is killed in the middle.
//!
//! The list is a work-set that is full before anybody starts. All trackers begin at the same instant, which is where trackers without one all pick up the
//! same work; here each file is hashed once, and what the killed tracker was at is hashed by the others.

mod crew;
mod files;
mod ledger;
mod tracker;
mod wire;

use std::time::Duration;

use ha_core::work_set::{Item, Status, WorkSet};
use ha_core::{Error, ErrorKind};

use super::failure::Failure;
use super::records::{EXECUTIONS, FILES, Hashed, OutputFile, RESULTS, ResultRecord};
use super::site::{INTAKE, Site};
use super::timeline::Event;
use crew::Crew;
use ledger::Ledger;
use wire::Heard;

pub(super) use files::hash_all;
pub use tracker::track;

/// The work-set.
const WORK: &str = "hashes";
/// How many files there are.
const COUNT: u32 = 150;
/// How much longer than a ttl any step may take. The verification is stricter.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the intake waits before it tries again what servers that are being lost could not do.
const AGAIN: Duration = Duration::from_millis(50);

/// Makes the files, lets the trackers hash them, kills one, and keeps the results.
pub(super) async fn play(site: Site) -> Result<(), Failure> {
    let names = files::make(&site.folder.join(FILES), COUNT)?;
    let mut book = Book::create(&site)?;
    let intake = site.connect(INTAKE, |builder| builder).await?;
    let work = intake.work_set::<String>(WORK)?;
    fill(&site, &work, &names).await?;

    let mut crew = Crew::start(&site)?;
    book.keep_until(&site, &mut crew, Crew::is_complete).await;
    site.timeline.record(Event::TrackersStart { trackers: crew.len(), files: names.len() });
    crew.begin();
    let drained = work.wait_drained();
    book.keep_during(&site, &mut crew, drained).await;
    crew.end();
    book.keep_until(&site, &mut crew, Crew::is_over).await;

    book.tell(&site);
    keep_results(&site, &work, &names).await?;
    book.executions.check()?;
    Ok(intake.shutdown(PATIENCE).await?)
}

/// Adds an item for each file: one that is there already is not begun again, so trying again is safe.
async fn fill(site: &Site, work: &WorkSet<String>, names: &[String]) -> Result<(), Failure> {
    trying(site, || work.add_all(names.iter().map(|name| Item::new(name, name.clone())))).await?;
    Ok(())
}

/// Writes down what the work-set knows of each file in the end.
async fn keep_results(site: &Site, work: &WorkSet<String>, names: &[String]) -> Result<(), Failure> {
    let mut results = OutputFile::create(&site.folder, RESULTS)?;
    for item in names {
        let Some(seen) = trying(site, || work.get(item)).await? else { continue };
        let hashed: Option<Hashed> = match seen.status() {
            Status::Done(result) => Some(result.decode()?),
            _ => None,
        };
        let (item, attempts, abandonments) = (item.clone(), seen.attempts(), seen.abandonments());
        results.append(&ResultRecord { item, attempts, abandonments, hashed });
    }
    results.check()
}

/// Does it, again while the store cannot be reached.
async fn trying<T, F>(site: &Site, mut step: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let give_up = site.clock.now() + patience(site);
    loop {
        match step().await {
            Err(error) if is_passing(&error) && site.clock.now() < give_up => site.clock.sleep(AGAIN).await,
            result => return result,
        }
    }
}

/// Whether it may work when it is tried again.
fn is_passing(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unavailable | ErrorKind::Recovering | ErrorKind::Timeout | ErrorKind::SessionLost
    )
}

fn patience(site: &Site) -> Duration {
    site.ttl + site.patience + PATIENCE
}

/// What is written down of the executions.
struct Book {
    executions: OutputFile,
    ledger: Ledger,
}

impl Book {
    fn create(site: &Site) -> Result<Self, Failure> {
        let executions = OutputFile::create(&site.folder, EXECUTIONS)?;
        Ok(Self { executions, ledger: Ledger::new(COUNT / 2) })
    }

    /// Keeps the book until the crew is so. Whatever does not come in time, the verification misses.
    async fn keep_until(&mut self, site: &Site, crew: &mut Crew, is_so: impl Fn(&Crew) -> bool) {
        let give_up = tokio::time::Instant::now() + patience(site);
        while !is_so(crew) {
            let Ok(Some((tracker, heard))) = tokio::time::timeout_at(give_up, crew.hear()).await else {
                let message = "a tracker keeps the others waiting".into();
                return site.timeline.record(Event::Trouble { node: None, message });
            };
            self.note(site, crew, tracker, heard);
        }
    }

    /// Keeps the book for as long as `work` lasts.
    async fn keep_during<T>(
        &mut self,
        site: &Site,
        crew: &mut Crew,
        work: impl Future<Output = Result<T, Error>>,
    ) {
        let work = tokio::time::timeout(patience(site), work);
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                Some((tracker, heard)) = crew.hear() => self.note(site, crew, tracker, heard),
                result = &mut work => {
                    let message = match result {
                        Ok(Ok(_)) => return,
                        Ok(Err(error)) => error.to_string(),
                        Err(_) => "the trackers do not come to their end".into(),
                    };
                    return site.timeline.record(Event::Trouble { node: None, message });
                }
            }
        }
    }

    /// Writes down what a tracker says, and lets it go on: nothing is begun that is not in the book. Half way, the one that is about to begin is killed.
    fn note(&mut self, site: &Site, crew: &mut Crew, tracker: usize, heard: Heard) {
        match heard {
            Heard::Ready => crew.is_ready(tracker),
            Heard::Ended => crew.has_ended(tracker),
            Heard::Step { number, record } => {
                self.executions.append(&record);
                if self.ledger.is_to_be_killed(&record) {
                    let at = crew.kill(site, tracker);
                    self.ledger.killed(&record.tracker, at);
                } else {
                    crew.written(tracker, number);
                }
                self.ledger.note(&record);
            }
        }
    }

    /// Tells how it went.
    fn tell(&self, site: &Site) {
        if let Some(event) = self.ledger.rescued() {
            site.timeline.record(event);
        }
        site.timeline.record(self.ledger.drained());
    }
}
