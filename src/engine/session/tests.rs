//! The machine of a session, step by step. Its random runs are in `simulation`.
