//! Every interleaving of submit, pend, complete, cancel, close and thread exit, for small programs.
