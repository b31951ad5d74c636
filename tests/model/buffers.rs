//! The three buffer methods: KS-50 to KS-59.
