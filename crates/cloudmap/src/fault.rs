//! Errors in AWS's words: a code, a message, and the members some codes carry.

/// An answer that is an error.
///
/// What a caller sees is [`Fault::code`] and the message; the HTTP status is of secondary interest to every client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    code: Code,
    message: String,
    members: Vec<(&'static str, String)>,
}

impl Fault {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Fault {
        Fault { code, message: message.into(), members: Vec::new() }
    }

    /// Adds a member beside the message, such as the id of what exists already.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Fault {
        self.members.push((name, value.into()));
        self
    }

    /// Adds a member where there is a value for it.
    pub(crate) fn with_some(self, name: &'static str, value: Option<&str>) -> Fault {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Says what kind of error it is.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Says what is wrong, for a person.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Further members of the error's shape.
    pub fn members(&self) -> impl ExactSizeIterator<Item = (&'static str, &str)> {
        self.members.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal;)+) => {
        /// The error codes of the service, and those every AWS service has.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $variant,)+ }

        impl Code {
            /// The code on the wire.
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)+ }
            }

            /// The HTTP status of the model, which RPC v2 CBOR uses.
            pub fn status(self) -> u16 {
                match self { $(Code::$variant => $status,)+ }
            }
        }
    };
}

codes! {
    /// The request breaks a constraint or a rule.
    InvalidInput = "InvalidInput", 400;
    /// No namespace has this id or name.
    NamespaceNotFound = "NamespaceNotFound", 404;
    /// No service has this id or name.
    ServiceNotFound = "ServiceNotFound", 404;
    /// No instance of the service has this id.
    InstanceNotFound = "InstanceNotFound", 404;
    /// No operation has this id, or no longer.
    OperationNotFound = "OperationNotFound", 404;
    /// The service has no custom health check.
    CustomHealthNotFound = "CustomHealthNotFound", 404;
    /// No namespace or service has this ARN.
    ResourceNotFound = "ResourceNotFoundException", 404;
    /// A namespace of this name exists.
    NamespaceAlreadyExists = "NamespaceAlreadyExists", 400;
    /// A service of this name exists in the namespace.
    ServiceAlreadyExists = "ServiceAlreadyExists", 400;
    /// The resource still holds others.
    ResourceInUse = "ResourceInUse", 409;
    /// Another operation on the resource is in progress.
    DuplicateRequest = "DuplicateRequest", 409;
    /// A quota is used up.
    ResourceLimitExceeded = "ResourceLimitExceeded", 400;
    /// More service attributes than a service may have.
    ServiceAttributesLimitExceeded = "ServiceAttributesLimitExceededException", 400;
    /// More tags than a resource may have.
    TooManyTags = "TooManyTagsException", 400;
    /// The client asks too fast.
    RequestLimitExceeded = "RequestLimitExceeded", 429;
    /// The request is not what its protocol says.
    Serialization = "SerializationException", 400;
    /// The target names no operation of this service.
    UnknownOperation = "UnknownOperationException", 404;
    /// The request is not signed.
    MissingAuthenticationToken = "MissingAuthenticationTokenException", 403;
    /// The signature lacks a part.
    IncompleteSignature = "IncompleteSignatureException", 400;
    /// The signature is wrong, or too old.
    InvalidSignature = "InvalidSignatureException", 403;
    /// The access key is not known.
    UnrecognizedClient = "UnrecognizedClientException", 403;
    /// The caller may not do this.
    AccessDenied = "AccessDeniedException", 403;
    /// The body is larger than the server reads.
    RequestEntityTooLarge = "RequestEntityTooLargeException", 413;
    /// The client took too long to send the request.
    RequestTimeout = "RequestTimeoutException", 408;
    /// The registry cannot take changes now; the same call may succeed later.
    ServiceUnavailable = "ServiceUnavailableException", 503;
    /// The server is at fault.
    InternalFailure = "InternalFailure", 500;
}

impl Code {
    /// Whether the fault is the server's, so that a client retries.
    pub fn is_server(self) -> bool {
        self.status() >= 500
    }
}
