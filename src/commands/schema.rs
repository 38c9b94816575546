//! `mima schema`: the form of a file, for editors.

use crate::cli::Schema;
use crate::config::schema;
use crate::error::Result;
use crate::term;

pub(super) fn run(args: &Schema) -> Result<()> {
    term::print_json(&if args.user { schema::user() } else { schema::project() })
}
