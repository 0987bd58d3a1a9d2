//! Linux process trees: keeping, finding, signalling and reaping them.
