//! The filter's write path, as the driver takes it.
