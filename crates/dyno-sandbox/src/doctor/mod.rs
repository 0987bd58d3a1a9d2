//! What this machine allows for sealed tests, found out by trying.

mod groups;
mod machine;
mod walls;

use dyno_model::Finding;
use machine::Machine;
use std::path::Path;

/// Builds one sandbox, looks for a place for control groups, and reads what the kernel says of
/// itself. `folder` is one of its own, and stays.
///
/// Call it from a process with one thread.
pub fn look(folder: &Path) -> Vec<Finding> {
    let machine = Machine::read();
    let mut findings = vec![machine.kernel()];
    let (walls, needs_users) = walls::look(folder, &machine);
    findings.extend(walls);
    findings.extend(machine.what_forbids_users(needs_users));
    findings.extend(groups::look(&machine));
    findings
}
