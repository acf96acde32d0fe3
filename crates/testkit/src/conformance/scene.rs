//! What the tests have in common: an isolate with a few types, and roots to hold objects by.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use windrow_core::{
    ActivationList, ArrayType, CollectionKind, Collector, FieldType, GcRef, HeapError, Isolate,
    IsolateConfig, MemoryKind, ObjectRef, RootKind, RootSource, RootVisitor, StorageType,
    StructType, TypeId, ValType,
};

/// Both memories.
pub(super) const MEMORIES: [MemoryKind; 2] = [MemoryKind::Guarded, MemoryKind::Checked];

/// Slots that a test writes and a collection updates.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots(Arc<Mutex<Vec<(RootKind, GcRef)>>>);

impl Slots {
    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<(RootKind, GcRef)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RootSource for Slots {
    fn visit_roots(
        &mut self,
        _: ActivationList<'_>,
        visitor: &mut dyn RootVisitor,
    ) -> Result<u64, HeapError> {
        for (kind, slot) in &mut *self.lock() {
            visitor.visit(*kind, slot);
        }
        Ok(0)
    }
}

/// An isolate, its types and the slots it takes for roots.
pub(super) struct Scene {
    pub(super) isolate: Isolate,
    pub(super) slots: Slots,
    /// `(next: anyref, number: i64)`: 24 bytes.
    pub(super) node: TypeId,
    /// Where the fields of a node lie.
    pub(super) next: u32,
    pub(super) number: u32,
    /// An array of `anyref`, and one of bytes.
    pub(super) refs: TypeId,
    pub(super) bytes: TypeId,
}

/// Bytes of a node.
pub(super) const NODE_BYTES: u64 = 24;

/// Offset of the first element of the arrays.
pub(super) const ELEMENTS: u32 = 12;

impl Scene {
    /// With the default configuration, changed by `change`.
    pub(super) fn try_new(
        collector: &Arc<dyn Collector>,
        memory: MemoryKind,
        change: impl FnOnce(&mut IsolateConfig),
    ) -> Result<Self, HeapError> {
        let mut config = IsolateConfig::new(Arc::clone(collector));
        config.memory = memory;
        change(&mut config);
        let types = Arc::clone(&config.types);
        let node = types
            .register_struct(StructType::new([
                FieldType::mutable(ValType::ANYREF),
                FieldType::mutable(ValType::I64),
            ]))
            .expect("a type");
        let refs = types
            .register_array(ArrayType::new(FieldType::mutable(ValType::ANYREF)))
            .expect("a type");
        let bytes = types
            .register_array(ArrayType::new(FieldType::mutable(StorageType::I8)))
            .expect("a type");
        let info = types.sub_type(node);
        let mut isolate = Isolate::new(config)?;
        let slots = Slots::default();
        isolate.add_root_source(Box::new(slots.clone()));
        Ok(Self {
            isolate,
            slots,
            node,
            next: info.field_offset(0),
            number: info.field_offset(1),
            refs,
            bytes,
        })
    }

    pub(super) fn new(collector: &Arc<dyn Collector>, memory: MemoryKind) -> Self {
        Self::try_new(collector, memory, |_| ()).expect("the default sizes do")
    }

    /// Allocates a node.
    pub(super) fn node(&mut self, next: GcRef, number: u64) -> Result<ObjectRef, HeapError> {
        let mut next = [next];
        let node = self.isolate.alloc_struct_uninit(self.node, &mut next)?;
        self.isolate.init_ref(node, self.next, next[0]);
        self.isolate.store_u64(node, self.number, number);
        Ok(node)
    }

    /// Allocates nodes side by side, as compiled code does: null and zero.
    pub(super) fn nodes(&mut self, count: usize) -> Result<Vec<ObjectRef>, HeapError> {
        let node_bytes = usize::try_from(NODE_BYTES).expect("few");
        let bytes = u32::try_from(count * node_bytes).expect("few");
        let first = self
            .isolate
            .alloc_structs_uninit(self.node, bytes, &mut [])?;
        let header = self.isolate.code_abi().mutator.header_template;
        let nodes: Vec<ObjectRef> = (first.offset()..first.offset() + bytes)
            .step_by(node_bytes)
            .filter_map(ObjectRef::from_offset)
            .collect();
        for node in &nodes {
            let header = header | u64::from(self.node.bits());
            self.isolate.store_u64(*node, 0, header);
            self.isolate.init_ref(*node, self.next, GcRef::NULL);
            self.isolate.store_u64(*node, self.number, 0);
        }
        Ok(nodes)
    }

    /// Adds a root and tells its index.
    pub(super) fn root(&mut self, reference: GcRef) -> usize {
        let mut slots = self.slots.lock();
        slots.push((RootKind::ValueStack, reference));
        slots.len() - 1
    }

    pub(super) fn set_root(&mut self, index: usize, reference: GcRef) {
        self.slots.lock()[index].1 = reference;
    }

    pub(super) fn held(&self, index: usize) -> GcRef {
        self.slots.lock()[index].1
    }

    /// What a root holds, which is an object.
    pub(super) fn object(&self, index: usize) -> ObjectRef {
        let held = self.held(index);
        held.as_object()
            .unwrap_or_else(|| panic!("a root holds {held:?} where it held an object"))
    }

    /// Collects everything and verifies.
    pub(super) fn collect(&mut self) {
        self.isolate
            .collect(CollectionKind::Full)
            .unwrap_or_else(|error| panic!("a collection failed: {error}"));
        self.verify();
    }

    pub(super) fn verify(&mut self) {
        self.isolate
            .verify()
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// Follows a list of nodes numbered downwards from `first` to 0.
    pub(super) fn check_list(&self, mut at: GcRef, first: u64) {
        for expected in (0..=first).rev() {
            let node = at
                .as_object()
                .unwrap_or_else(|| panic!("the list ends before node {expected}: {at:?}"));
            assert_eq!(
                self.isolate.load_u64(node, self.number),
                expected,
                "the number of a node"
            );
            at = self.isolate.load_ref(node, self.next);
        }
        assert!(at.is_null(), "the list goes on after its end: {at:?}");
    }
}

/// Whether a collector reclaims everything that is dead when asked to.
pub(super) fn is_exact(collector: &Arc<dyn Collector>) -> bool {
    let properties = collector.properties();
    properties.collects && properties.reclaims_cycles
}
