//! `windrow collectors`: what there is to choose from, read from the collectors themselves.

use crate::table::Table;
use windrow::jit::WriteBarrier;
use windrow::{Collector, CollectorKind, Config};

/// The table of built-in collectors.
pub(crate) fn table() -> String {
    let default = Config::new().chosen_collector().name();
    let mut table = Table::new(&[
        "name",
        "moving",
        "cycles",
        "barriers",
        "pauses",
        "what it does",
    ]);
    for kind in CollectorKind::ALL {
        let collector = kind.instance();
        table.row(&row(&*collector, collector.name() == default));
    }
    table.to_string()
}

fn row(collector: &dyn Collector, is_default: bool) -> [String; 6] {
    let properties = collector.properties();
    let abi = collector.abi();
    let yes_or_no = |yes| if yes { "yes" } else { "no" };
    let cycles = match (properties.collects, properties.reclaims_cycles) {
        (false, _) => "kept",
        (true, false) => "leak",
        (true, true) => "reclaimed",
    };
    let barriers = match abi.write_barrier {
        WriteBarrier::None => "none",
        _ => "on writes",
    };
    let name = collector.name();
    [
        if is_default {
            format!("{name} (default)")
        } else {
            name.to_owned()
        },
        yes_or_no(abi.moves_objects).to_owned(),
        cycles.to_owned(),
        barriers.to_owned(),
        properties.pauses.to_owned(),
        properties.summary.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_collector_has_its_row() {
        let table = table();
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 1 + CollectorKind::ALL.len());
        for (kind, line) in CollectorKind::ALL.iter().zip(&lines[1..]) {
            assert!(line.starts_with(&kind.to_string()), "{line}");
            assert!(
                line.contains(kind.instance().properties().summary),
                "{line}"
            );
        }
        assert_eq!(table.matches("(default)").count(), 1);
    }
}
