//! Namespaces, services, instances and their health; the backend contract; the publisher.
