//! The binary as an operator meets it: its command line, and the running server on loopback.

#[cfg(test)]
mod command_line;
#[cfg(test)]
mod installation;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod running;
