//! What is said of the store: requests, commits, watches.

use ha_conformance::history::{Action, Change, Event, Item, Key, Outcome, Version};

use super::Statement;

impl Statement<'_> {
    pub(super) fn store(&mut self, verb: &str) -> Event {
        match verb {
            "do" => self.request(),
            "ans" => Event::Answered { op: self.number(), outcome: self.outcome() },
            "commit" => {
                let revision = self.number();
                let session = Some(self.text()).filter(|session| session != "-");
                let op = self.word().strip_prefix("op").map(|op| self.parse(op));
                Event::Committed { revision, session, op, changes: self.changes() }
            }
            "watch" => {
                let watch = self.number();
                let (collection, name) = match self.word().split_once('/') {
                    Some((collection, name)) => (collection.into(), Some(name.into())),
                    None => ("c".into(), None),
                };
                Event::WatchOpened { watch, collection, name, seen: self.number() }
            }
            "snap" => {
                let (watch, revision) = (self.number(), self.number());
                Event::WatchDelivered { watch, item: Item::Snapshot { revision, entries: self.changes() } }
            }
            "chg" => {
                let (watch, revision) = (self.number(), self.number());
                Event::WatchDelivered { watch, item: Item::Changed { revision, changes: self.changes() } }
            }
            "gap" => Event::WatchDelivered { watch: self.number(), item: Item::Interrupted },
            "unwatch" => Event::WatchEnded { watch: self.number() },
            _ => self.fail("an unknown verb"),
        }
    }

    fn request(&mut self) -> Event {
        let op = self.number();
        let key = Key::new("c", self.word());
        let action = match self.word() {
            "get" => Action::Get,
            "new" => Action::Create { value: self.number() },
            "set" => Action::Update { created: self.number(), modified: self.number(), value: self.number() },
            "del" => Action::Delete { created: self.number() },
            word => self.fail(&format!("{word:?} is no action")),
        };
        let bytes = self.maybe().map_or(1, |word| self.parse(word.trim_start_matches('#')));
        Event::Invoked { op, key, action, bytes }
    }

    fn outcome(&mut self) -> Outcome {
        match self.word() {
            "seen" => Outcome::Seen(Some(Version::new(self.number(), self.number(), self.number()))),
            "none" => Outcome::Seen(None),
            "ok" => Outcome::Applied { revision: self.number() },
            "conflict" => Outcome::Conflict,
            "refused" => Outcome::Refused,
            "failed" => Outcome::Failed,
            "unknown" => Outcome::Unknown,
            word => self.fail(&format!("{word:?} is no outcome")),
        }
    }

    fn changes(&mut self) -> Vec<Change> {
        let words: Vec<&str> = self.words.by_ref().collect();
        words.into_iter().map(|word| self.change(word)).collect()
    }

    fn change(&self, word: &str) -> Change {
        let parts: Vec<&str> = word[1..].split(':').collect();
        let key = self.key(parts[0]);
        match (&word[..1], &parts[1..]) {
            ("+", [created, modified, owner @ ..]) => Change::Put {
                key,
                created: self.parse(created),
                modified: self.parse(modified),
                owner: owner.first().map(|owner| (*owner).to_owned()),
            },
            ("-", [created]) => Change::Removed { key, created: self.parse(created) },
            _ => self.fail(&format!("{word:?} is no change")),
        }
    }
}
