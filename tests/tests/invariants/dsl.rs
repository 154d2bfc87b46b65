//! Histories in a few words: one statement per line or between semicolons, times in milliseconds.
//!
//! ```text
//! 10 a ask 1           node a, call 1 for the mutex m          10 a stand 1         .. candidate in the election e
//! 20 a got 1 7         call 1 is granted with token 7          20 a won 1 7         .. elected in term 7
//! 30 a/2 ..            the second incarnation of a             30 a quit 1          it gave up; `withdraw 1`
//! 90 a until 1 80      grant 1 is valid until 80               90 a end 1 lost      released, lost, expired, yielded
//! 95 a told 1          the loss is noticed                     95 a released 1      the release is answered
//! 10 a hold 1 7 90     ask, got at 10, end and released at 90  10 a lead 1 7 90     the same in the election
//! 10 a want 1          .. a share of the lock s        20 a has 1 7 2/3     granted 2 of 3; `use 1 7 90 2/3` as `hold`
//! 10 a seek 1          .. the partition p/0        20 a gets 1 7        `own 1 7 90` as `hold`; `takes 1 1/9`: a share of it
//! 10 a pick 1          .. an item of work-set w         20 a picks 1 7       .. is given w/0; `work 1 7 90` as `hold`
//! 10 a sit 1           .. one of the slots d            20 a sits 1 7        .. is given d/0; `desk 1 7 90` as `hold`
//! 10 a new w/0         its addition is new (`known`)    20 a remove w/0      it is to be forgotten
//! 20 a tries 1 2       claim 1 is attempt 2             30 a settle 1 4 complete   question 4 about it: fail, bury, release, extend
//! 40 a settled 4 applied   stale, failed, ?, done:7     9 s file w/0 x ready 5     the store: session x or `-`, ready[@time], claimed, done,
//!                                                                 dead, gone, with the revision
//! 10 s step x x 7      the store: session x, while x is elected to assign (`-`: nobody), gives the plan number 7 (`-`: none); a group may follow
//! 50 r wrote 7 ok      resource r decides: ok, no, ?           50 r inc 7 3 ok      .. on an increment to 3
//! 50 a see 1 7 b       observer 1: term 7, leader b            50 a see 1 -         vacant; `?`: unknown; `unsee 1`
//! 10 a joins           wants to be a member of group g  20 a in 5         is one, as incarnation 5; `leaves`, `gone`
//! 30 a says 2          its version 2 is stored          40 w view 1 7 all a:5 b/2:6:3   watcher 1: view 7, all (or `one` change),
//!                                                                 node[/process]:incarnation[:version]
//! 5 a open s 1000      session s with its ttl                  9 a renew s 8 ok     sent at 8, acknowledged, or `?`
//! 99 a over s expired  closed, expired, ended                  9 s left c/k s dead  found at the end: owner s, dead or alive
//! 5 a do 1 k new 4     request 1 on k: get, new V, set C M V, del C; a length may follow: `#70000`
//! 6 a ans 1 ok 9       seen C M V, none, ok R, conflict, refused, failed, unknown
//! 7 s commit 9 a op1 +c/k:9:9:a -c/l:4     revision, session or `-`, op or `-`, changes: put key:created:modified[:owner], removed
//! 8 a watch 1 c 0      watch 1 of collection c (or c/k) from revision 0; `unwatch 1`
//! 9 a snap 1 9 +c/k:9:9    `chg 1 9 ..`; `gap 1`
//! 3 n fault 1 cut a    fault 1 of that kind on a (or `store`); 4 n heal 1
//! 5 n calm             the liveness phase begins; `storm`: the safety phase
//! 9 a start            stop, crash, freeze, thaw;   9 n idle     nothing: time passes
//! 9 n rollback 2       the store went back; generation 2
//! ```

mod store;
mod work;

use ha_conformance::history::{
    Answer, EndReason, Event, History, Key, Phase, Recipe, Record, SessionEnd, Shown, Sight, Target,
};

const MS: u64 = 1_000_000;

/// Writes the history that `text` describes.
pub(crate) fn history(text: &str) -> History {
    let mut history = History::new();
    for line in text.split(['\n', ';']).map(str::trim).filter(|line| !line.is_empty()) {
        for record in Statement::new(line).records() {
            history.push(record);
        }
    }
    history
}

/// One statement, read word by word.
struct Statement<'t> {
    line: &'t str,
    words: std::str::SplitWhitespace<'t>,
}

impl<'t> Statement<'t> {
    fn new(line: &'t str) -> Self {
        Self { line, words: line.split_whitespace() }
    }

    fn fail(&self, what: &str) -> ! {
        panic!("{:?}: {what}", self.line)
    }

    fn maybe(&mut self) -> Option<&'t str> {
        self.words.next()
    }

    fn word(&mut self) -> &'t str {
        let word = self.words.next();
        word.unwrap_or_else(|| self.fail("a word is missing"))
    }

    fn number(&mut self) -> u64 {
        let word = self.word();
        self.parse(word)
    }

    fn parse(&self, word: &str) -> u64 {
        word.parse().unwrap_or_else(|_| self.fail(&format!("{word:?} is no number")))
    }

    fn time(&mut self) -> u64 {
        self.number() * MS
    }

    fn text(&mut self) -> String {
        self.word().to_owned()
    }

    fn records(mut self) -> Vec<Record> {
        let at = self.time();
        let who = self.word();
        let (node, incarnation) = who.split_once('/').unwrap_or((who, "1"));
        let incarnation = self.parse(incarnation);
        let verb = self.word();
        let events = match verb {
            "hold" => self.held(Recipe::Mutex, at),
            "lead" => self.held(Recipe::Election, at),
            "own" => self.held(Recipe::Partition, at),
            "use" => self.held(Recipe::Shared, at),
            "work" => self.held(Recipe::Claim, at),
            "desk" => self.held(Recipe::Slot, at),
            "has" => self.shares(at),
            _ => vec![(at, self.event(verb))],
        };
        if let Some(word) = self.words.next() {
            self.fail(&format!("{word:?} is too much"));
        }
        events.into_iter().map(|(at, event)| Record::new(at, node, incarnation, event)).collect()
    }

    fn held(&mut self, recipe: Recipe, at: u64) -> Vec<(u64, Event)> {
        let (call, token) = (self.number(), self.number());
        let end = self.time();
        let mut events = vec![
            (at, Event::Asked { recipe, name: asked_for(recipe), call }),
            (at, Event::Granted { recipe, name: name(recipe), call, grant: call, token }),
            (end, Event::Ended { grant: call, reason: EndReason::Released }),
            (end, Event::Released { grant: call }),
        ];
        if recipe == Recipe::Shared {
            events.insert(2, (at, self.share(call)));
        }
        events
    }

    fn shares(&mut self, at: u64) -> Vec<(u64, Event)> {
        let (call, token) = (self.number(), self.number());
        let (recipe, share) = (Recipe::Shared, self.share(call));
        vec![(at, Event::Granted { recipe, name: name(recipe), call, grant: call, token }), (at, share)]
    }

    fn share(&mut self, grant: u64) -> Event {
        let word = self.word();
        let Some((weight, permits)) = word.split_once('/') else { self.fail("a share is weight/permits") };
        Event::Shares { grant, weight: self.parse(weight), permits: self.parse(permits) }
    }

    fn event(&mut self, verb: &str) -> Event {
        match verb {
            "start" => Event::Started,
            "stop" => Event::Stopped,
            "crash" => Event::Crashed,
            "freeze" => Event::Frozen,
            "thaw" => Event::Thawed,
            // An observer that was told nothing is not known, so that this says nothing.
            "idle" => Event::ObserverEnded { observer: u64::MAX },
            "calm" => Event::Phase { phase: Phase::Liveness },
            "storm" => Event::Phase { phase: Phase::Safety },
            "heal" => Event::Healed { fault: self.number() },
            "rollback" => Event::Discontinuity { generation: self.number() },
            "fault" => Event::Fault {
                fault: self.number(),
                kind: self.text(),
                target: match self.word() {
                    "store" => Target::Store,
                    node => Target::Node(node.into()),
                },
            },
            "takes" => {
                let grant = self.number();
                self.share(grant)
            }
            "ask" | "want" | "stand" | "seek" | "pick" | "sit" | "got" | "won" | "gets" | "picks"
            | "sits" | "quit" | "withdraw" | "until" | "end" | "told" | "released" => self.holding(verb),
            "joins" | "in" | "says" | "leaves" | "gone" | "view" => self.group(verb),
            "step" => self.step(),
            "new" | "known" | "remove" | "tries" | "settle" | "settled" | "file" => self.work(verb),
            "see" | "unsee" | "wrote" | "inc" | "open" | "renew" | "over" | "left" => self.witness(verb),
            _ => self.store(verb),
        }
    }

    fn holding(&mut self, verb: &str) -> Event {
        let recipe = match verb {
            "stand" | "won" => Recipe::Election,
            "seek" | "gets" => Recipe::Partition,
            "pick" | "picks" => Recipe::Claim,
            "sit" | "sits" => Recipe::Slot,
            "want" => Recipe::Shared,
            _ => Recipe::Mutex,
        };
        let number = self.number();
        match verb {
            "ask" | "want" | "stand" | "seek" | "pick" | "sit" => {
                let name = self.maybe().map_or_else(|| asked_for(recipe), str::to_owned);
                Event::Asked { recipe, name, call: number }
            }
            "got" | "won" | "gets" | "picks" | "sits" => {
                let token = self.number();
                // Normally a call and its grant have the same number, and are for the one lock or election.
                let grant = self.maybe().map_or(number, |word| self.parse(word));
                let name = self.maybe().map_or_else(|| name(recipe), str::to_owned);
                Event::Granted { recipe, name, call: number, grant, token }
            }
            "quit" => Event::GaveUp { call: number, reason: "cancelled".into() },
            "withdraw" => Event::Withdrawn { call: number },
            "until" => Event::ValidUntil { grant: number, until: self.time() },
            "told" => Event::LossNoticed { grant: number },
            "released" => Event::Released { grant: number },
            _ => {
                let reason = match self.word() {
                    "released" => EndReason::Released,
                    "lost" => EndReason::Lost,
                    "expired" => EndReason::Expired,
                    "yielded" => EndReason::Yielded,
                    word => self.fail(&format!("{word:?} is no reason")),
                };
                Event::Ended { grant: number, reason }
            }
        }
    }

    fn group(&mut self, verb: &str) -> Event {
        let group = "g".to_owned();
        match verb {
            "joins" => Event::Joining { group },
            "in" => Event::Joined { group, incarnation: self.number() },
            "says" => Event::Updated { group, version: self.number() },
            "leaves" => Event::Leaving { group },
            "gone" => Event::Left { group },
            _ => {
                let (watcher, number) = (self.number(), self.number());
                let whole = match self.word() {
                    "all" => true,
                    "one" => false,
                    word => self.fail(&format!("{word:?} is neither all nor one")),
                };
                let words: Vec<&str> = self.words.by_ref().collect();
                let members = words.into_iter().map(|word| self.shown(word)).collect();
                Event::Viewed { watcher, group, number, whole, members }
            }
        }
    }

    fn shown(&self, word: &str) -> Shown {
        let parts: Vec<&str> = word.split(':').collect();
        let [who, incarnation, version @ ..] = &parts[..] else { self.fail("a member is node:incarnation") };
        let (node, process) = who.split_once('/').unwrap_or((who, "1"));
        let version = version.first().map_or(0, |version| self.parse(version));
        Shown::new(node, self.parse(process), self.parse(incarnation), version)
    }

    fn step(&mut self) -> Event {
        let session = self.text();
        let leader = Some(self.text()).filter(|leader| leader != "-");
        let number = Some(self.word()).filter(|number| *number != "-").map(|number| self.parse(number));
        let name = self.maybe().unwrap_or("p").to_owned();
        Event::Stepped { name, session, leader, number }
    }

    fn witness(&mut self, verb: &str) -> Event {
        match verb {
            "see" => {
                let observer = self.number();
                let sight = match self.word() {
                    "-" => Sight::Vacant,
                    "?" => Sight::Unknown,
                    term => Sight::Leader { term: self.parse(term), node: self.text() },
                };
                Event::Observed { observer, name: name(Recipe::Election), sight }
            }
            "unsee" => Event::ObserverEnded { observer: self.number() },
            "wrote" => Event::Wrote { resource: "r".into(), token: self.number(), answer: self.answer() },
            "inc" => Event::Incremented {
                resource: "r".into(),
                token: self.number(),
                value: self.number(),
                answer: self.answer(),
            },
            "open" => Event::SessionOpened { session: self.text(), ttl: self.time() },
            "renew" => {
                let (session, sent) = (self.text(), self.time());
                Event::Renewed { session, sent, acknowledged: self.answer() == Answer::Accepted }
            }
            "over" => {
                let session = self.text();
                let reason = match self.word() {
                    "closed" => SessionEnd::Closed,
                    "expired" => SessionEnd::Expired,
                    "ended" => SessionEnd::Ended,
                    word => self.fail(&format!("{word:?} is no end")),
                };
                Event::SessionEnded { session, reason }
            }
            _ => {
                let key = self.word();
                let owner = Some(self.text()).filter(|owner| owner != "-");
                Event::Leftover { key: self.key(key), owner, owner_alive: self.word() == "alive" }
            }
        }
    }

    fn answer(&mut self) -> Answer {
        match self.word() {
            "ok" => Answer::Accepted,
            "no" => Answer::Refused,
            "?" => Answer::Unknown,
            word => self.fail(&format!("{word:?} is no answer")),
        }
    }

    fn key(&self, path: &str) -> Key {
        match path.rsplit_once('/') {
            Some((collection, name)) => Key::new(collection, name),
            None => self.fail("a key is collection/name"),
        }
    }
}

fn name(recipe: Recipe) -> String {
    let name = match recipe {
        Recipe::Mutex => "m",
        Recipe::Shared => "s",
        Recipe::Partition => "p/0",
        Recipe::Claim => "w/0",
        Recipe::Slot => "d/0",
        _ => "e",
    };
    name.into()
}

/// What a call is for: of some kinds any of several things.
fn asked_for(recipe: Recipe) -> String {
    match recipe {
        Recipe::Claim => "w".into(),
        Recipe::Slot => "d".into(),
        recipe => name(recipe),
    }
}
