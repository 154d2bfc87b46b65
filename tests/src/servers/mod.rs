//! Real servers for tests: started, broken and ended by the test that needs them.
//!
//! Nothing is installed and no service of the machine is touched. A server is a child process with a folder and an address of its own, so that
//! tests run side by side. Whatever happens to the test, also `kill -9`, its servers die and their folders go; the folder of a test that failed
//! stays, and the message says where.
//!
//! | file | what it offers |
//! |---|---|
//! | [`Program`] | where the binary of a server comes from, or what to do about one that is missing |
//! | [`Process`] | one child process: killed, stopped, continued, ended |
//! | [`Host`] | the program of one server, which is restarted with its data |
//! | [`Folder`], [`Address`] | a place of its own on the disk and in the network |
//! | [`Authority`] | certificates |
//! | [`Proxy`] | a way to a server that can be cut, reset, held, delayed, made deaf or mute |
//! | [`Gateway`] | a way to a gRPC server on which single requests are lost, held, answered late or never |
//! | [`holder`], [`Scene`], [`Recorder`] | processes that hold things, what is done to them, and one history of it all |
//! | [`broken`] | backends with a defect, to see that tests catch it |
//! | [`etcd`], [`redis`], [`zookeeper`] | one server or several |

mod address;
mod authority;
pub mod broken;
pub mod etcd;
mod folder;
mod gateway;
pub mod holder;
mod host;
mod http;
mod process;
mod program;
mod proxy;
mod recorder;
pub mod redis;
mod scene;
mod watchdog;
pub mod zookeeper;

pub use address::Address;
pub use authority::{Authority, Certificate};
pub use folder::Folder;
pub use gateway::{Call, Fate, Gate, Gateway};
pub use host::Host;
pub use process::Process;
pub use program::Program;
pub use proxy::{Direction, Proxy};
pub use recorder::{Recorder, recorded};
pub use scene::Scene;

use crate::harness::{Missing, missing_is_a_failure};

/// What was found, for a test that ends when it is `None`; the reason is on the standard error then.
///
/// # Panics
/// With `HA_TEST_REQUIRE=1`, if something is missing.
pub fn or_skip<T>(found: Result<T, Missing>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(missing) => {
            assert!(!missing_is_a_failure(), "{missing}");
            eprintln!("skipped: {missing}");
            None
        }
    }
}
