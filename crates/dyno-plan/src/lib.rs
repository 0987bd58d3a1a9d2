//! Units, their order and their admission, as a pure state machine.
