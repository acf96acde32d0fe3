//! The heap under test: an isolate with a few types, and graphs made in it by hand.

use crate::snapshot::Snapshot;
use std::sync::Arc;
use windrow_core::{
    ArrayType, Collector, FieldType, Isolate, IsolateConfig, MemoryKind, ObjectRef, OwnedHandle,
    StorageType, StructType, TypeId, ValType,
};

/// An isolate with a node type `Node { key, left, right }`, arrays of references, and bytes.
pub(crate) struct Bench {
    pub(crate) isolate: Isolate,
    pub(crate) node: TypeId,
    pub(crate) list: TypeId,
    pub(crate) bytes: TypeId,
}

impl Bench {
    pub(crate) fn new(collector: Arc<dyn Collector>, memory: MemoryKind) -> Self {
        let mut config = IsolateConfig::new(collector);
        config.memory = memory;
        let types = Arc::clone(&config.types);
        let reference = FieldType::mutable(ValType::ANYREF);
        let node = types
            .register_struct(StructType::new([
                FieldType::mutable(ValType::I64),
                reference,
                reference,
            ]))
            .expect("valid");
        types.set_type_name(node, "Node");
        types.set_field_name(node, 1, "left");
        types.set_field_name(node, 2, "right");
        let list = types
            .register_array(ArrayType::new(reference))
            .expect("valid");
        let bytes = ArrayType::new(FieldType::mutable(StorageType::I8));
        let bytes = types.register_array(bytes).expect("valid");
        let isolate = Isolate::new(config).expect("room");
        Self {
            isolate,
            node,
            list,
            bytes,
        }
    }

    pub(crate) fn own(&mut self, object: ObjectRef) -> OwnedHandle {
        self.isolate.handles_mut().own(object.to_ref())
    }

    pub(crate) fn at(&self, handle: &OwnedHandle) -> ObjectRef {
        let reference = self.isolate.handles().owned(handle).expect("its own");
        reference.as_object().expect("an object")
    }

    pub(crate) fn node(&mut self) -> OwnedHandle {
        let object = self.isolate.alloc_struct(self.node, &mut []).expect("room");
        self.own(object)
    }

    pub(crate) fn array(&mut self, type_id: TypeId, length: u32) -> OwnedHandle {
        let object = self
            .isolate
            .alloc_array(type_id, length, &mut [])
            .expect("room");
        self.own(object)
    }

    pub(crate) fn set_field(&mut self, owner: &OwnedHandle, field: u32, value: &OwnedHandle) {
        let offset = self.isolate.types().sub_type(self.node).field_offset(field);
        let (owner, value) = (self.at(owner), self.at(value));
        self.isolate.write_ref(owner, offset, value.to_ref());
    }

    pub(crate) fn set_element(&mut self, owner: &OwnedHandle, index: u32, value: &OwnedHandle) {
        let offset = self.isolate.tables().shape(self.list).size_bytes + 4 * index;
        let (owner, value) = (self.at(owner), self.at(value));
        self.isolate.write_ref(owner, offset, value.to_ref());
    }

    pub(crate) fn snapshot(&mut self) -> Snapshot {
        let mut out = Vec::new();
        let summary = self.isolate.write_snapshot(&mut out).expect("it writes");
        let snapshot = Snapshot::read(&out);
        let objects = snapshot
            .nodes
            .iter()
            .filter(|node| node.kind != "synthetic");
        assert_eq!(objects.clone().count() as u64, summary.objects);
        let sizes: u64 = objects.map(|node| node.bytes).sum();
        assert_eq!(sizes, summary.object_bytes);
        snapshot
    }
}
