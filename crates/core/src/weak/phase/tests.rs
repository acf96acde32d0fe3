//! How much a phase asks, of heaps that name what they reach and of others.

use super::*;

/// Objects one after the other, each leading to at most one other.
struct Line {
    leads_to: Vec<Option<usize>>,
    is_alive: Vec<bool>,
    gray: Vec<usize>,
    reached: Vec<ObjectRef>,
    names_reached: bool,
    asked: usize,
}

fn at(index: usize) -> ObjectRef {
    ObjectRef::from_offset(4096 + 8 * u32::try_from(index).unwrap()).unwrap()
}

fn index(object: ObjectRef) -> usize {
    (object.offset() as usize - 4096) / 8
}

impl RootVisitor for Line {
    fn visit(&mut self, _: RootKind, slot: &mut GcRef) {
        let Some(object) = slot.as_object() else {
            return;
        };
        if !std::mem::replace(&mut self.is_alive[index(object)], true) {
            self.gray.push(index(object));
            self.reached.push(object);
        }
    }
}

impl WeakPhase for Line {
    fn survivor(&mut self, object: ObjectRef) -> Option<ObjectRef> {
        self.asked += 1;
        self.is_alive[index(object)].then_some(object)
    }

    fn trace(&mut self, reached: &mut Vec<ObjectRef>) -> Result<(), HeapError> {
        while let Some(object) = self.gray.pop() {
            if let Some(next) = self.leads_to[object] {
                self.visit(RootKind::Frame, &mut at(next).to_ref());
            }
        }
        let reached_now = std::mem::take(&mut self.reached);
        if self.names_reached {
            reached.extend(reached_now);
        }
        Ok(())
    }
}

/// A map of `links` entries, the last link first, each by way of an object in between: how often the
/// heap is asked about an object.
fn asked(links: usize, names_reached: bool) -> usize {
    let mut tables = WeakTables::default();
    let handle = tables.maps.insert();
    let map = tables.maps.get_mut(&handle).unwrap();
    for link in (0..links).rev() {
        map.insert(at(link), at(links + link).to_ref());
    }
    let mut line = Line {
        leads_to: vec![None; 2 * links],
        is_alive: vec![false; 2 * links],
        gray: Vec::new(),
        reached: Vec::new(),
        names_reached,
        asked: 0,
    };
    for link in 1..links {
        line.leads_to[links + link - 1] = Some(link);
    }
    line.is_alive[0] = true;
    let (mut dead, mut counts) = (Vec::new(), [0; RootKind::ALL.len()]);
    let mut phase = Phase {
        tables: &mut tables,
        host_data: &mut HostData::default(),
        id: IsolateId::from_number(std::num::NonZeroU64::MIN),
        dead: &mut dead,
        counts: &mut counts,
    };
    phase.run(&mut line).unwrap();
    assert_eq!(counts[RootKind::WeakMapValue as usize], links as u64);
    assert_eq!(tables.maps.get(&handle).unwrap().len(), links);
    line.asked
}

#[test]
fn a_chain_in_the_worst_order_costs_a_few_questions_a_link() {
    let long = if cfg!(miri) { 100 } else { 100_000 };
    for links in [1, 2, 3, long] {
        assert!(asked(links, true) <= 4 * links + 8, "{links} links");
    }
    // Where nothing is named each link costs a look at what is left.
    for links in [1, 2, 3, long.min(1000)] {
        assert!(asked(links, false) <= links * (links + 8), "{links} links");
    }
}
