//! Every parameter's bad value: its status, and what it leaves behind.
