//! What the sensors watch: files that really grow, and ports of this machine that really open and close.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpSocket};

use super::clock::Clock;
use super::failure::Failure;
use super::inputs::{Sensor, Watched};
use super::records::{Change, OutputFile, Reading, WORLD};

/// How often each file grows by a line.
const LINE_EVERY: Duration = Duration::from_millis(130);
/// How long each port stays open, and then closed.
const PORT_PHASE: Duration = Duration::from_millis(900);
/// A port of this machine answers at once, or is too busy to be called open.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(100);

/// How many connections a port takes that nobody accepts: more than there are polls in a phase.
const BACKLOG: u32 = 128;

/// The files and ports of one run.
#[derive(Debug)]
pub(super) struct World {
    places: Places,
    state: Mutex<State>,
    clock: Clock,
}

/// Where the files and ports are that the sensors watch, for whoever looks at them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Places(BTreeMap<String, Place>);

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Place {
    File(PathBuf),
    Port(SocketAddr),
}

#[derive(Debug)]
struct State {
    lines: BTreeMap<String, u64>,
    ports: BTreeMap<String, Port>,
    changes: OutputFile,
    failed: Option<Failure>,
    stopped: bool,
}

/// A port of this machine.
#[derive(Debug)]
enum Port {
    Open(TcpListener),
    /// It is kept, so that no other program is given it meanwhile and opens it.
    Closed(TcpSocket),
}

impl World {
    /// Makes what `sensors` watch, below `folder`.
    pub(super) fn create(folder: &Path, sensors: &[Sensor], clock: Clock) -> Result<Arc<Self>, Failure> {
        let files = folder.join("world");
        std::fs::create_dir(&files).map_err(|error| Failure::at("create", &files, error))?;
        let mut places = BTreeMap::new();
        let mut ports = BTreeMap::new();
        for sensor in sensors {
            let place = match &sensor.watch {
                Watched::File(name) => {
                    let path = files.join(name);
                    std::fs::write(&path, "").map_err(|error| Failure::at("create", &path, error))?;
                    Place::File(path)
                }
                Watched::Port => {
                    let failed = |error| Failure::new(format!("cannot open a port of this machine: {error}"));
                    let socket = keep((Ipv4Addr::LOCALHOST, 0).into()).map_err(failed)?;
                    let address = socket.local_addr().map_err(failed)?;
                    ports.insert(sensor.name.clone(), Port::Open(socket.listen(BACKLOG).map_err(failed)?));
                    Place::Port(address)
                }
            };
            places.insert(sensor.name.clone(), place);
        }
        let changes = OutputFile::create(folder, WORLD)?;
        let state = State { lines: BTreeMap::new(), ports, changes, failed: None, stopped: false };
        let places = Places(places);
        let world = Arc::new(Self { places, state: Mutex::new(state), clock });
        for sensor in sensors {
            world.note(&mut world.lock(), &sensor.name);
        }
        Ok(world)
    }

    /// Changes things until the world is [stopped](Self::stop).
    pub(super) async fn turn(self: Arc<Self>) {
        let (mut next_line, mut next_phase) = (LINE_EVERY, PORT_PHASE);
        while !self.lock().stopped {
            self.clock.sleep(LINE_EVERY / 2).await;
            let now = self.clock.now().since_start();
            if now >= next_line {
                next_line = now + LINE_EVERY;
                self.change(|place| matches!(place, Place::File(_)));
            }
            if now >= next_phase {
                next_phase = now + PORT_PHASE;
                self.change(|place| matches!(place, Place::Port(_)));
            }
        }
    }

    /// Nothing changes any more.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
    }

    /// Where everything is.
    pub(super) fn places(&self) -> Places {
        self.places.clone()
    }

    /// Fails if something in the world could not be changed.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let mut state = self.lock();
        state.changes.check()?;
        state.failed.take().map_or(Ok(()), Err)
    }

    fn change(&self, which: impl Fn(&Place) -> bool) {
        let mut state = self.lock();
        if state.stopped {
            return;
        }
        for (sensor, place) in self.places.0.iter().filter(|(_, place)| which(place)) {
            match place {
                Place::File(path) => state.append_line(sensor, path),
                Place::Port(address) => state.toggle(sensor, *address),
            }
            self.note(&mut state, sensor);
        }
    }

    /// Writes down how things are, as the world knows it, without looking.
    fn note(&self, state: &mut State, sensor: &str) {
        let reading = match self.places.0.get(sensor) {
            Some(Place::File(_)) => Reading::Lines(state.lines.get(sensor).copied().unwrap_or(0)),
            _ => Reading::Open(matches!(state.ports.get(sensor), Some(Port::Open(_)))),
        };
        state.changes.append(&Change { at: self.clock.now(), sensor: sensor.into(), reading });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// Looks at what `sensor` watches, now.
    pub(super) fn look(&self, sensor: &str) -> Reading {
        match self.0.get(sensor) {
            Some(Place::File(path)) => {
                let text = std::fs::read_to_string(path).unwrap_or_default();
                Reading::Lines(u64::try_from(text.lines().count()).unwrap_or(u64::MAX))
            }
            Some(Place::Port(address)) => Reading::Open(is_open(*address)),
            None => Reading::Open(false),
        }
    }
}

impl State {
    fn append_line(&mut self, sensor: &str, path: &Path) {
        let number = self.lines.entry(sensor.into()).or_default();
        *number += 1;
        let opened = OpenOptions::new().append(true).open(path);
        let written = opened.and_then(|mut file| writeln!(file, "{sensor} {number}"));
        if let Err(error) = written {
            self.failed.get_or_insert(Failure::at("write", path, error));
        }
    }

    /// Opens a closed port or closes an open one. Nobody has to accept: the kernel answers for a listener.
    fn toggle(&mut self, sensor: &str, address: SocketAddr) {
        let changed = match self.ports.remove(sensor) {
            Some(Port::Closed(socket)) => socket.listen(BACKLOG).map(Port::Open),
            Some(Port::Open(listener)) => {
                drop(listener);
                keep(address).map(Port::Closed)
            }
            None => keep(address).map(Port::Closed),
        };
        // Should another program have asked for this very port, it is left to it until the next time.
        if let Ok(port) = changed {
            self.ports.insert(sensor.into(), port);
        }
    }
}

/// Takes a port without opening it.
fn keep(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // As for any server: connections that are just ending do not count.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn is_open(address: SocketAddr) -> bool {
    let Ok(stream) = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) else { return false };
    // Without a listener, a connection to a port of the range that clients get theirs from can meet itself.
    stream.local_addr().is_ok_and(|local| local != address)
}

#[cfg(test)]
mod tests {
    use super::{BACKLOG, is_open, keep};

    #[tokio::test]
    async fn a_port_is_open_while_somebody_listens_and_can_be_closed_and_kept() {
        let socket = keep("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        assert!(!is_open(address), "a port that is kept is closed");
        for _ in 0..3 {
            let listener = keep(address).and_then(|again| again.listen(BACKLOG)).unwrap();
            assert!(is_open(address));
            drop(listener);
            assert!(!is_open(address));
        }
    }
}
