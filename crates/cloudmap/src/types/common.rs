//! Constraints that many requests share.

use crate::constraint::Shape;
use crate::pattern::{self, Pattern};

/// A string of up to `max` characters.
pub(crate) const fn text(max: usize) -> Shape {
    Shape::Text { min: 0, max, pattern: None }
}

const fn patterned(max: usize, pattern: &'static Pattern) -> Shape {
    Shape::Text { min: 0, max, pattern: Some(pattern) }
}

/// `CreatorRequestId`, `Vpc`, and ids that are no ARNs.
pub(crate) const RESOURCE_ID: Shape = text(64);
/// An id or an ARN.
pub(crate) const ID_OR_ARN: Shape = text(255);
pub(crate) const OPERATION_ID: Shape = text(255);
pub(crate) const DESCRIPTION: Shape = text(1024);
pub(crate) const NEXT_TOKEN: Shape = text(4096);
pub(crate) const ACCOUNT: Shape = Shape::Text { min: 12, max: 12, pattern: None };

pub(crate) const HTTP_NAMESPACE: Shape = patterned(1024, &pattern::HTTP_NAMESPACE);
pub(crate) const PRIVATE_NAMESPACE: Shape = patterned(253, &pattern::PRIVATE_NAMESPACE);
pub(crate) const PUBLIC_NAMESPACE: Shape = patterned(253, &pattern::PUBLIC_NAMESPACE);
pub(crate) const NAMESPACE: Shape = patterned(1024, &pattern::NAMESPACE);
pub(crate) const SERVICE: Shape = patterned(usize::MAX, &pattern::SERVICE);
pub(crate) const INSTANCE_ID: Shape = patterned(64, &pattern::INSTANCE_ID);

pub(crate) const ATTRIBUTES: Shape = Shape::Map {
    min: 0,
    max: usize::MAX,
    key: &patterned(255, &pattern::ATTRIBUTE_KEY),
    value: &patterned(1024, &pattern::ATTRIBUTE_VALUE),
};

pub(crate) const TTL: Shape = Shape::Integer { min: 0, max: i32::MAX as i64 };
pub(crate) const MAX_RESULTS: Shape = Shape::Integer { min: 1, max: 100 };

/// A list of any length.
pub(crate) const fn list(member: &'static Shape) -> Shape {
    Shape::List { min: 0, max: usize::MAX, member }
}
