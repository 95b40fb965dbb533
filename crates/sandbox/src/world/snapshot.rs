//! The whole state as JSON and back.

use super::sound::Sound;
use super::{MAX_OFFSET, World};
use serde::{Deserialize, Serialize};

/// The form's version. A member that a later wxgate adds takes `#[serde(default)]` and leaves it; what an older one
/// would misread gets another.
const VERSION: u64 = 1;

#[derive(Serialize)]
struct Snapshot<'a> {
    version: u64,
    world: &'a World,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Taken {
    #[expect(dead_code, reason = "looked at before the rest")]
    version: u64,
    world: World,
}

#[derive(Deserialize)]
struct Version {
    version: u64,
}

impl World {
    /// Everything, secrets and all.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        serde_json::to_vec(&Snapshot { version: VERSION, world: self }).unwrap_or_default()
    }

    /// The world of a snapshot, or what is wrong with it. Its clock goes on where it stood: lives and windows are what
    /// they were. `machine` is the time here and now, milliseconds.
    pub(crate) fn restored(snapshot: &[u8], machine: i64) -> Result<Self, String> {
        let Version { version } = serde_json::from_slice(snapshot).map_err(|e| e.to_string())?;
        if version != VERSION {
            return Err(format!("version: this wxgate restores {VERSION}, not {version}"));
        }
        let Taken { mut world, .. } = serde_json::from_slice(snapshot).map_err(|e| e.to_string())?;
        world.offset = world.now.saturating_sub(machine);
        if world.offset.saturating_abs() > MAX_OFFSET {
            return Err("world.now: more than a century away".to_owned());
        }
        serde_json::from_slice::<Sound>(snapshot).map_err(|e| e.to_string())?;
        let mut order = world.order.clone();
        order.sort_unstable();
        if !order.iter().eq(world.apps.keys()) {
            return Err("world.order: not the AppIDs of world.apps".to_owned());
        }
        world.apps.iter().try_for_each(|(appid, app)| app.check(appid))?;
        world.calls.check()?;
        world.cube.check()?;
        Ok(world)
    }
}
