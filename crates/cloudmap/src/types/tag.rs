//! Tags: requests and responses.

use serde::Serialize;

use super::Described;
use super::declare::structure;
use crate::constraint::Shape;

structure! {
    /// A key and a value on a namespace or a service.
    Tag {
        required "Key" => key: String, &KEY;
        required "Value" => value: String, &Shape::Text { min: 0, max: 256, pattern: None };
    }
}

const KEY: Shape = Shape::Text { min: 1, max: 128, pattern: None };

/// Tags of a request.
pub(crate) const LIST: Shape = Shape::List { min: 0, max: 200, member: &Tag::SHAPE };

const ARN: Shape = Shape::Text { min: 1, max: 1011, pattern: None };

structure! {
    /// What ListTagsForResource takes.
    ListTagsForResourceRequest {
        required "ResourceARN" => resource_arn: String, &ARN;
    }
}

structure! {
    /// What TagResource takes.
    TagResourceRequest {
        required "ResourceARN" => resource_arn: String, &ARN;
        required "Tags" => tags: Vec<Tag>, &LIST;
    }
}

structure! {
    /// What UntagResource takes.
    UntagResourceRequest {
        required "ResourceARN" => resource_arn: String, &ARN;
        required "TagKeys" => tag_keys: Vec<String>, &Shape::List { min: 0, max: 200, member: &KEY };
    }
}

/// A tag as ListTagsForResource shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TagView<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: &'a str,
}

/// The answer to ListTagsForResource.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTagsForResourceResponse<'a> {
    pub(crate) tags: Vec<TagView<'a>>,
}
