//! Two filters on one stack: the upper one calls the fast-I/O entry of the lower one. Only the Wine host can put
//! them there on demand; elsewhere the case says so.

use kswrite_client::{Access, File, control};
use kswrite_wire::{
    names::SinkKind,
    sink::{Completion, Script},
    wine_host::{self, Stacks},
};

use crate::rig::{Rig, irp_script, open, pattern, state, write};

fn change(host: &File, code: kswrite_wire::ControlCode) -> Stacks {
    control(host, code, &()).expect("no handle is open on a stack")
}

/// KS-35: the filter publishes `FastIoWrite` and passes calls on to the device below it, with that device; a
/// declined call becomes one IRP on each level.
#[test]
fn ks_35_the_filters_own_fast_entry() {
    let Ok(host) = File::open(wine_host::CONTROL_PATH, Access::ReadWrite) else {
        println!("not run: no Wine host here to put a second filter on the stack");
        return;
    };
    assert_eq!(change(&host, wine_host::ATTACH_ANOTHER).changed, 3);
    for kind in SinkKind::ALL {
        let rig = Rig::new();
        let file = open(kind, Script::default());
        assert_eq!(write(&file, 0, &pattern(5000, 1)), Ok(5000), "{kind:?}");
        let seen = rig.delta();
        assert_eq!(
            (seen.attempted, seen.fast, seen.forwarded_fast, seen.irp),
            (1, 1, 1, 0),
            "{kind:?} {seen:?}"
        );
        assert_eq!(
            (state(&file).writes, state(&file).fast_writes),
            (1, 1),
            "{kind:?}"
        );
        drop(file);
        rig.finish();

        let rig = Rig::new();
        let file = open(kind, irp_script(Completion::Pended));
        assert_eq!(write(&file, 0, &pattern(5000, 2)), Ok(5000), "{kind:?}");
        let seen = rig.delta();
        assert_eq!(
            (seen.attempted, seen.declined, seen.forwarded_fast, seen.irp),
            (2, 2, 1, 2),
            "{kind:?} {seen:?}"
        );
        assert_eq!((state(&file).writes, state(&file).bytes), (1, 5000), "{kind:?}");
        drop(file);
        rig.finish();
    }
    assert_eq!(change(&host, wine_host::DETACH_FILTER).changed, 6);
    assert_eq!(change(&host, wine_host::ATTACH_FILTER).filtered, 3);
}
