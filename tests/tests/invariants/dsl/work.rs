//! What is said of work-sets.

use ha_conformance::history::{Addition, Event, Settlement, Stage, Verdict};

use super::{MS, Statement};

impl Statement<'_> {
    pub(super) fn work(&mut self, verb: &str) -> Event {
        match verb {
            "new" => Event::Added { item: self.text(), answer: Addition::New },
            "known" => Event::Added { item: self.text(), answer: Addition::Known },
            "remove" => Event::Removing { item: self.text() },
            "tries" => Event::Attempt { grant: self.number(), attempt: self.number() },
            "settle" => {
                let (grant, settlement) = (self.number(), self.number());
                let verdict = match self.word() {
                    "complete" => Verdict::Complete,
                    "fail" => Verdict::Fail,
                    "bury" => Verdict::Bury,
                    "release" => Verdict::Release,
                    "extend" => Verdict::Extend,
                    word => self.fail(&format!("{word:?} is no verdict")),
                };
                Event::Settling { grant, settlement, verdict }
            }
            "settled" => {
                let settlement = self.number();
                let answer = match self.word() {
                    "applied" => Settlement::Applied,
                    "stale" => Settlement::Stale,
                    "failed" => Settlement::Failed,
                    "?" => Settlement::Unknown,
                    word => match word.strip_prefix("done:") {
                        Some(token) => Settlement::Done { token: self.parse(token) },
                        None => self.fail(&format!("{word:?} is no answer")),
                    },
                };
                Event::Settled { settlement, answer }
            }
            _ => {
                let item = self.text();
                let session = Some(self.text()).filter(|session| session != "-");
                let stage = match self.word() {
                    "ready" => Stage::Ready { from: 0 },
                    "claimed" => Stage::Claimed,
                    "done" => Stage::Done,
                    "dead" => Stage::Dead,
                    "gone" => Stage::Gone,
                    word => match word.strip_prefix("ready@") {
                        Some(from) => Stage::Ready { from: self.parse(from) * MS },
                        None => self.fail(&format!("{word:?} is no state")),
                    },
                };
                Event::Filed { item, session, stage, revision: self.number() }
            }
        }
    }
}
