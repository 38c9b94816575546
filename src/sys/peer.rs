//! Who is at the other end of a socket, as the kernel has it.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use super::exit::Exit;

/// The process at the other end.
#[derive(Debug)]
pub struct Peer {
    /// Its effective user when it connected.
    pub user: u32,
    /// Its id.
    pub pid: i32,
    /// Its end, for as long as it is of interest.
    pub exit: Exit,
}

/// Reads an option of a socket that is plain data.
///
/// # Safety
/// `T` is what the kernel fills in for this option, and any bytes are a valid `T`.
unsafe fn option<T>(stream: &UnixStream, level: libc::c_int, name: libc::c_int) -> io::Result<T> {
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    let wanted = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    let mut size = wanted;
    let fd = stream.as_raw_fd();
    // SAFETY: the buffer is live and as long as stated.
    let done =
        unsafe { libc::getsockopt(fd, level, name, value.as_mut_ptr().cast(), &raw mut size) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    if size != wanted {
        return Err(io::Error::other("the kernel's answer has another length"));
    }
    // SAFETY: it was zeroed and then filled in, and as the caller says any bytes are a `T`.
    Ok(unsafe { value.assume_init() })
}

fn nobody() -> io::Error {
    io::Error::other("the other process cannot be seen from here")
}

pub use system::{check_same_program, peer, peer_user};

#[cfg(not(target_os = "macos"))]
mod system {
    use std::os::fd::{FromRawFd, OwnedFd};

    use super::{Exit, Peer, UnixStream, io, nobody, option};

    /// `SO_PEERPIDFD` of `asm-generic/socket.h`, from Linux 6.5 on.
    const SO_PEERPIDFD: libc::c_int = 77;

    /// Not by rustix, which takes an id of 0 for impossible.
    fn credentials(stream: &UnixStream) -> io::Result<libc::ucred> {
        // SAFETY: this is what SO_PEERCRED fills in, three numbers.
        unsafe { option(stream, libc::SOL_SOCKET, libc::SO_PEERCRED) }
    }

    /// Returns the process that connected to the listener which `stream` came from.
    ///
    /// # Errors
    /// The kernel's, one for a process of another PID namespace, or one that is gone.
    pub fn peer(stream: &UnixStream) -> io::Result<Peer> {
        let credentials = credentials(stream)?;
        if credentials.pid <= 0 {
            return Err(nobody());
        }
        Ok(Peer {
            user: credentials.uid,
            pid: credentials.pid,
            exit: exit(stream, credentials.pid)?,
        })
    }

    fn exit(stream: &UnixStream, pid: i32) -> io::Result<Exit> {
        // SAFETY: this is what SO_PEERPIDFD fills in, a descriptor.
        match unsafe { option::<libc::c_int>(stream, libc::SOL_SOCKET, SO_PEERPIDFD) } {
            // SAFETY: the kernel has just opened it, for us alone.
            Ok(pidfd) => Ok(Exit::from_pidfd(unsafe { OwnedFd::from_raw_fd(pidfd) })),
            // An older kernel, where the id alone has to do.
            Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Exit::of(pid),
            Err(error) => Err(error),
        }
    }

    /// Returns the user who listens where `stream` is connected to.
    ///
    /// # Errors
    /// The kernel's.
    pub fn peer_user(stream: &UnixStream) -> io::Result<u32> {
        credentials(stream).map(|credentials| credentials.uid)
    }

    /// Checks that the other end is this same program. On Linux nothing can tell.
    ///
    /// # Errors
    /// None.
    pub fn check_same_program(_: &UnixStream) -> io::Result<()> {
        Ok(())
    }
}

/// Sources: Apple, `bsm/audit.h`, `SecCode.h`, and `kern/uipc_usrreq.c` of XNU.
#[cfg(target_os = "macos")]
mod system {
    use core_foundation::base::{OSStatus, TCFType};
    use core_foundation::data::CFData;
    use security_framework::os::macos::code_signing::{
        Flags, GuestAttributes, SecCode, SecRequirement,
    };
    use security_framework_sys::code_signing::{SecCSFlags, SecCodeRef, SecRequirementRef};

    use super::super::processes::version;
    use super::{Exit, Peer, UnixStream, io, nobody, option};

    // security-framework-sys does not have this.
    #[link(name = "Security", kind = "framework")]
    unsafe extern "C" {
        fn SecCodeCopyDesignatedRequirement(
            code: SecCodeRef,
            flags: SecCSFlags,
            requirement: *mut SecRequirementRef,
        ) -> OSStatus;
    }

    /// `audit_token_t`. Of its numbers, 5 is the process, 7 what every exec counts up.
    type Token = [u32; 8];

    fn token(stream: &UnixStream) -> io::Result<Token> {
        // SAFETY: this is what LOCAL_PEERTOKEN fills in, eight numbers.
        unsafe { option(stream, libc::SOL_LOCAL, libc::LOCAL_PEERTOKEN) }
    }

    /// Returns the process that connected to the listener which `stream` came from.
    ///
    /// # Errors
    /// The kernel's, or one for a process that is gone.
    pub fn peer(stream: &UnixStream) -> io::Result<Peer> {
        let user = peer_user(stream)?;
        // SAFETY: this is what LOCAL_PEERPID fills in, a number.
        let pid: libc::pid_t = unsafe { option(stream, libc::SOL_LOCAL, libc::LOCAL_PEERPID) }?;
        if pid <= 0 {
            return Err(nobody());
        }
        let exit = Exit::of(pid)?;
        // It was the peer if it still is, now that it is watched.
        let [.., token_pid, _, token_version] = token(stream)?;
        if token_pid != pid.cast_unsigned() || version(pid) != Some(token_version) {
            return Err(nobody());
        }
        Ok(Peer { user, pid, exit })
    }

    /// Returns the user at the other end of `stream`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn peer_user(stream: &UnixStream) -> io::Result<u32> {
        // SAFETY: this is what LOCAL_PEERCRED fills in, numbers only.
        let credentials: libc::xucred =
            unsafe { option(stream, libc::SOL_LOCAL, libc::LOCAL_PEERCRED) }?;
        if credentials.cr_version != libc::XUCRED_VERSION {
            return Err(io::Error::other("the kernel's answer is of another version"));
        }
        Ok(credentials.cr_uid)
    }

    /// Checks that the other end is this same program: that its code satisfies what this code
    /// requires of itself, which is its identifier and team, or else its very hash.
    ///
    /// The kernel names the process that used the other end last. Until the one that listens has
    /// sent something, that may be whoever opened the listener: launchd, or nobody any more.
    ///
    /// # Errors
    /// The kernel's or Security's, or one that says that it is another program.
    pub fn check_same_program(stream: &UnixStream) -> io::Result<()> {
        let token: Vec<u8> = token(stream)?.iter().flat_map(|part| part.to_ne_bytes()).collect();
        let token = CFData::from_buffer(&token);
        let mut attributes = GuestAttributes::new();
        attributes.set_audit_token(token.as_concrete_TypeRef());
        let other = SecCode::copy_guest_with_attribues(None, &attributes, Flags::NONE)
            .map_err(io::Error::other)?;
        let own = SecCode::for_self(Flags::NONE).map_err(io::Error::other)?;
        let mut requirement: SecRequirementRef = std::ptr::null_mut();
        // SAFETY: the code is alive, and `requirement` is a local that takes one reference.
        let status = unsafe {
            SecCodeCopyDesignatedRequirement(own.as_concrete_TypeRef(), 0, &raw mut requirement)
        };
        if status != 0 || requirement.is_null() {
            return Err(io::Error::other(format!("no designated requirement: {status}")));
        }
        // SAFETY: it succeeded, so this is a requirement, and ours.
        let requirement = unsafe { SecRequirement::wrap_under_create_rule(requirement) };
        other.check_validity(Flags::NONE, &requirement).map_err(io::Error::other)
    }
}
