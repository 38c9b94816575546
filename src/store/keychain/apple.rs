//! The real keychain, as the store wants to see it. Decides nothing.

use std::cell::OnceCell;
use std::sync::mpsc;
use std::time::Duration;

use super::api::{Api, Denial, Found, Item, Key, Place, Signature, Status};
use crate::secret::Secret;
use crate::sys::keychain::{self as sys, Context};

/// How long a list may take. It prompts for nothing, but what if it did?
const LIST_PATIENCE: Duration = Duration::from_secs(5);

/// The keychains of this Mac.
#[derive(Default)]
pub(super) struct Apple {
    /// It takes a while to read, and does not change.
    signature: OnceCell<Signature>,
}

fn id<'a>(key: &Key<'a>) -> sys::Id<'a> {
    sys::Id { protected: is_protected(key.place), service: key.service, account: key.account }
}

fn is_protected(place: Place) -> bool {
    place == Place::DataProtection
}

impl Api for Apple {
    type Context = Context;

    fn signature(&self) -> Signature {
        let read = || {
            let sys::Signature { cdhash, team, entitled } = sys::signature();
            Signature { cdhash: cdhash.map(hex::encode), team, entitled }
        };
        self.signature.get_or_init(read).clone()
    }

    fn add(&self, item: &Item<'_>) -> Result<(), Status> {
        sys::add(id(&item.key), item.label, item.comment, item.value).map_err(Status)
    }

    fn read(&self, key: &Key<'_>, context: Option<&Context>) -> Result<Secret, Status> {
        sys::read(id(key), context).map(Secret::new).map_err(Status)
    }

    fn list(&self, place: Place, service: &str) -> Result<Vec<Found>, Status> {
        let (done, listed) = mpsc::channel();
        let service = service.to_owned();
        // It cannot be called off; if it hangs, it ends with mima.
        std::thread::spawn(move || done.send(sys::list(is_protected(place), &service)));
        let items = listed.recv_timeout(LIST_PATIENCE).map_err(|_| Status::NO_ANSWER)?;
        let found = |(account, comment)| Found { account, comment };
        Ok(items.map_err(Status)?.into_iter().map(found).collect())
    }

    fn delete(&self, key: &Key<'_>) -> Result<(), Status> {
        sys::delete(id(key)).map_err(Status)
    }

    fn context(&self) -> Context {
        Context::new()
    }

    fn evaluate(&self, context: &Context, reason: &str, patience: Duration) -> Result<(), Denial> {
        context.evaluate(reason, patience).map_err(|code| code.map_or(Denial::NO_ANSWER, Denial))
    }

    fn invalidate(&self, context: &Context) {
        context.invalidate();
    }
}
