//! Declares a type and its constraints in one place.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::constraint::Shape;
use crate::fault::{Code, Fault};

/// A type that knows its constraints.
pub(crate) trait Described {
    const SHAPE: Shape;
}

/// An operation's input.
pub(crate) trait Request: Described + DeserializeOwned {
    /// Reads a request that is within all its limits.
    ///
    /// # Errors
    ///
    /// `SerializationException` if a value has another type, `InvalidInput` if one breaks a constraint.
    fn decode(document: Value) -> Result<Self, Fault> {
        const { &Self::SHAPE }.check(&document)?;
        // What fits the shape fits the type, or they were declared at odds.
        serde_json::from_value(document).map_err(|error| Fault::new(Code::InternalFailure, error.to_string()))
    }
}

impl<T: Described + DeserializeOwned> Request for T {}

/// A structure: each field is `required` or `optional`, named on the wire, typed, and constrained.
///
/// ```text
/// structure! {
///     /// First line of documentation.
///     TypeName {
///         required "Name" => name: String, &common::NAME;
///         optional "Tags" => tags: Vec<Tag>, &tag::LIST;      // becomes Option<Vec<Tag>>
///     }
/// }
/// ```
macro_rules! structure {
    ($(#[$doc:meta])* $type:ident {
        $($need:ident $wire:literal => $field:ident : $value:ty, $shape:expr;)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, serde::Deserialize)]
        pub(crate) struct $type {
            $(#[serde(rename = $wire)] pub(crate) $field: $crate::types::declare::field!($need $value),)*
        }

        impl $crate::types::Described for $type {
            const SHAPE: $crate::constraint::Shape = $crate::constraint::Shape::Structure(&[
                $($crate::constraint::Member {
                    name: $wire,
                    required: $crate::types::declare::required!($need),
                    shape: $shape,
                },)*
            ]);
        }
    };
}

/// Words of the model as an enum.
macro_rules! choice {
    ($(#[$doc:meta])* $type:ident { $($variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
        pub(crate) enum $type { $(#[serde(rename = $word)] $variant,)+ }

        impl $type {
            /// The word on the wire.
            #[allow(dead_code, reason = "some are only ever read")]
            pub(crate) fn word(self) -> &'static str {
                match self { $($type::$variant => $word,)+ }
            }
        }

        impl $crate::types::Described for $type {
            const SHAPE: $crate::constraint::Shape = $crate::constraint::Shape::Choice(&[$($word,)+]);
        }
    };
}

/// The words of enums that the registry has already, in the model's order.
macro_rules! words {
    ($($type:ident: $($word:literal),+;)+) => {$(
        impl $crate::types::Described for $type {
            const SHAPE: $crate::constraint::Shape = $crate::constraint::Shape::Choice(&[$($word),+]);
        }
    )+};
}

macro_rules! field {
    (required $value:ty) => { $value };
    (optional $value:ty) => { Option<$value> };
}

macro_rules! required {
    (required) => {
        true
    };
    (optional) => {
        false
    };
}

pub(crate) use {choice, field, required, structure, words};
