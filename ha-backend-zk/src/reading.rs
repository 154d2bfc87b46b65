//! Reading pages and nodes.

use std::collections::VecDeque;
use std::sync::Arc;

use ha_core::runtime::Backoff;
use ha_core::spi::{Collection, Listing, Name, Page};

use crate::client::{Children, Connection, Failure, FailureKind, Node, Reading};
use crate::keys;
use crate::link::Link;
use crate::looks::Look;
use crate::over::Why;
use crate::page::{PageRead, Shown, Wanted};
use crate::together::together;

/// How many bytes of paths one request asks for. A server takes a megabyte.
const ASKED_BYTES_MAX: usize = 512 * 1024;
/// How many nodes one request asks for: values have up to 64 KiB, and nothing else is answered meanwhile.
const ASKED_MAX: usize = 1_000;
/// What a request has for each path beside it.
const OVERHEAD: usize = 24;
/// How often a page is read that changes meanwhile.
const ROUNDS_MAX: usize = 100;

impl Link {
    /// Reads a page at one instant, not before this call unless it is relaxed.
    pub(crate) async fn list(
        self: &Arc<Self>,
        collection: &Collection,
        page: Page,
    ) -> Result<Listing, Failure> {
        let page = PageRead::new(collection.clone(), page);
        let give_up = self.give_up_at();
        let mut backoff = Backoff::urgent();
        loop {
            let failure = match self.read_page(&page).await {
                Ok(listing) => return Ok(listing),
                Err(failure) => failure,
            };
            if !failure.is_transient() || self.now() >= give_up {
                return Err(failure);
            }
            backoff.wait(&*self.runtime).await;
        }
    }

    /// Reads a page once.
    pub(crate) async fn read_page(self: &Arc<Self>, page: &PageRead) -> Result<Listing, Failure> {
        let connection = self.connected(self.give_up_at()).await?;
        let pulse = *self.pulse.borrow();
        let path = self.layout.collection(page.collection());
        let listing = match page.only() {
            Some(name) => {
                let (floor, path) = (self.seen(), keys::below(&path, name));
                let (caught_up, node) =
                    tokio::join!(biased; self.catch_up(&connection, page), Box::pin(connection.get(&path)));
                caught_up?;
                let node = node?;
                node.iter().for_each(|node| self.saw(node.stat.modified));
                page.shown_alone(node.as_ref(), floor, self.lineage())
            }
            None => match self.rest_of(&connection, page, &path).await? {
                Some(listing) => listing,
                None => {
                    let (caught_up, children) = tokio::join!(
                        biased;
                        self.catch_up(&connection, page),
                        Box::pin(connection.children(&path)),
                    );
                    caught_up?;
                    self.page(&connection, page, children?).await?
                }
            },
        };
        if *self.pulse.borrow() != pulse {
            // It may come from servers that have forgotten something.
            return Err(Failure::new(FailureKind::Unknown, "the connection changed meanwhile"));
        }
        Ok(listing)
    }

    /// Lets what is read behind it be not older than this call. What is relaxed needs nothing in front: a server shows nobody less than the session has seen, on whichever server.
    /// Ends the session if its marker is not there.
    async fn catch_up(self: &Arc<Self>, connection: &Connection, page: &PageRead) -> Result<(), Failure> {
        if page.is_relaxed() || self.barrier(connection).await? {
            return Ok(());
        }
        self.end(Why::Lost);
        Err(Failure::new(FailureKind::Ended, "the session has no marker any more"))
    }

    /// Reads a page of the collection at `path` in one flight, if all that can be on it is [remembered](crate::looks).
    async fn rest_of(
        self: &Arc<Self>,
        connection: &Connection,
        page: &PageRead,
        path: &str,
    ) -> Result<Option<Listing>, Failure> {
        let Some(look) = page.up_to().and_then(|up_to| self.looks.up_to(path, up_to)) else {
            return Ok(None);
        };
        let names: Vec<Name> = look.aged.iter().map(|(name, _)| name.clone()).collect();
        let floor = self.seen();
        let asked = paths(path, &names);
        let (caught_up, reading) =
            tokio::join!(biased; self.catch_up(connection, page), Box::pin(connection.read(&asked, None)));
        caught_up?;
        let reading = reading?;
        reading.nodes.iter().flatten().for_each(|node| self.saw(node.stat.modified));
        let gone = look.aged.into_iter().zip(&reading.nodes).filter(|(_, node)| node.is_none());
        self.looks.forget(path, gone.map(|(aged, _)| aged));
        let before = Children { names: Vec::new(), changed: look.changed };
        Ok(match page.shown(&before, &Wanted::all(names), &reading, floor, self.lineage()) {
            Shown::Whole(listing) => Some(listing),
            Shown::Again => None,
        })
    }

    /// Reads a page of the collection that has these children.
    pub(crate) async fn page(
        &self,
        connection: &Connection,
        page: &PageRead,
        children: Option<Children>,
    ) -> Result<Listing, Failure> {
        let path = self.layout.collection(page.collection());
        let mut children = children.unwrap_or_default();
        for _ in 0..ROUNDS_MAX {
            let floor = self.seen();
            let wanted = self.choose(connection, page, &path, &children).await?;
            let reading = if wanted.names.is_empty() && children.names.is_empty() {
                // What has no children has none at that instant.
                Reading::default()
            } else {
                let directory = (!page.is_settled(&children)).then_some(path.as_str());
                connection.read(&paths(&path, &wanted.names), directory).await?
            };
            reading.nodes.iter().flatten().for_each(|node| self.saw(node.stat.modified));
            match page.shown(&children, &wanted, &reading, floor, self.lineage()) {
                Shown::Whole(listing) => {
                    self.remember(page, &path, &children, &wanted, &reading);
                    return Ok(listing);
                }
                Shown::Again => {}
            }
            children = connection.children(&path).await?.unwrap_or_default();
        }
        Err(Failure::new(FailureKind::Refused, "the collection changes faster than it can be read"))
    }

    /// Remembers the ages of all names of the collection, if they were read: whoever asks for entries up to an age, as a place in a queue does, asks again.
    fn remember(&self, page: &PageRead, path: &str, children: &Children, wanted: &Wanted, reading: &Reading) {
        if !page.is_settled(children) || wanted.names.len() < children.names.len() {
            return;
        }
        let aged = wanted.names.iter().zip(&reading.nodes);
        let aged = aged.filter_map(|(name, node)| Some((name.clone(), node.as_ref()?.stat.created)));
        self.looks.note(path, Look { changed: children.changed, aged: aged.collect() });
    }

    /// Which nodes of the collection at `path` to read for the page.
    async fn choose(
        &self,
        connection: &Connection,
        page: &PageRead,
        path: &str,
        children: &Children,
    ) -> Result<Wanted, Failure> {
        let mut wanted = page.wanted(&children.names);
        if page.is_by_age() && !fits(path, &wanted.names) {
            let nodes = self.read_all(connection, path, &wanted.names).await?;
            wanted = page.chosen(nodes.into_iter().map(|(name, node)| (node.stat.created, name)).collect());
        }
        while !fits(path, &wanted.names) {
            wanted.shorten();
        }
        Ok(wanted)
    }

    /// Reads those nodes of the collection at `path` that there are, each chunk of them at one instant.
    pub(crate) async fn read_all(
        &self,
        connection: &Connection,
        path: &str,
        names: &[Name],
    ) -> Result<Vec<(Name, Node)>, Failure> {
        let nodes = self.read_each(connection, path, names).await?;
        Ok(nodes.into_iter().filter_map(|(name, node)| Some((name, node?))).collect())
    }

    /// Reads nodes of the collection at `path`, each chunk of them at one instant.
    pub(crate) async fn read_each(
        &self,
        connection: &Connection,
        path: &str,
        names: &[Name],
    ) -> Result<Vec<(Name, Option<Node>)>, Failure> {
        let mut found = Vec::with_capacity(names.len());
        let mut rest = names;
        while !rest.is_empty() {
            let mut count = rest.len().min(ASKED_MAX);
            while count > 1 && !fits(path, &rest[..count]) {
                count /= 2;
            }
            let (now, later) = rest.split_at(count);
            let reading = connection.read(&paths(path, now), None).await?;
            found.extend(now.iter().cloned().zip(reading.nodes));
            rest = later;
        }
        Ok(found)
    }
}

/// Reads nodes in one flight, as many of them at one instant as one request asks for.
pub(crate) async fn read_nodes(
    connection: &Connection,
    paths: &[String],
) -> Result<VecDeque<Option<Node>>, Failure> {
    let mut requests: Vec<&[String]> = Vec::new();
    let mut rest = paths;
    while !rest.is_empty() {
        let mut bytes = 0;
        let is_short = |path: &&String| {
            bytes += path.len() + OVERHEAD;
            bytes <= ASKED_BYTES_MAX
        };
        let count = rest.iter().take(ASKED_MAX).take_while(is_short).count().max(1);
        let (now, later) = rest.split_at(count);
        requests.push(now);
        rest = later;
    }
    let mut nodes = VecDeque::with_capacity(paths.len());
    for reading in together(requests.into_iter().map(|paths| connection.read(paths, None))).await {
        nodes.extend(reading?.nodes);
    }
    Ok(nodes)
}

fn paths(collection: &str, names: &[Name]) -> Vec<String> {
    names.iter().map(|name| keys::below(collection, name)).collect()
}

/// Whether so many nodes can be asked for at once.
fn fits(collection: &str, names: &[Name]) -> bool {
    let bytes = names.iter().map(|name| collection.len() + 3 * name.as_str().len() + OVERHEAD);
    names.len() <= ASKED_MAX && bytes.sum::<usize>() <= ASKED_BYTES_MAX
}
