//! Instructions in both notations, alone and together.
