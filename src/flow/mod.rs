//! From a command line to what it needs: the files found and parsed, groups resolved, the
//! store opened, presence asked for.
