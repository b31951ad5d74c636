//! A stream of bytes to a file, one write after the other: for `std::io` and, by a feature, for tokio.

use std::io;

use super::reactor::{AsyncFile, Written};
use crate::Win32Error;

/// Writes a stream of bytes at growing offsets.
///
/// As [`io::Write`] it waits for each write. With the feature `tokio` it is a `tokio::io::AsyncWrite` too: one write is
/// under way while the next bytes are made, so an error shows in the call after the one that it belongs to, and a flush
/// tells of the last. Use one of both ways at a time.
#[derive(Debug)]
pub struct Writer {
    file: AsyncFile,
    offset: u64,
    #[cfg(feature = "tokio")]
    under_way: Option<super::write_at::WriteAt>,
}

/// The most bytes of one write: a larger copy gains nothing.
const MOST: usize = 1 << 20;

impl Writer {
    /// Writes from `offset` on, which is in bytes.
    pub fn new(file: AsyncFile, offset: u64) -> Self {
        Self {
            file,
            offset,
            #[cfg(feature = "tokio")]
            under_way: None,
        }
    }

    /// Where the next write goes. One that is under way does not count yet.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes note of a write that is over. Returns the bytes of the buffer that are left.
    fn settle(&mut self, written: Written) -> io::Result<Vec<u8>> {
        let Written {
            result, mut buffer, ..
        } = written;
        let bytes = result.map_err(to_io)?;
        self.offset += u64::from(bytes);
        if bytes == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        buffer.drain(..buffer.len().min(bytes as usize));
        Ok(buffer)
    }
}

fn to_io(error: Win32Error) -> io::Error {
    io::Error::from_raw_os_error(error.0.cast_signed())
}

fn copy_of(bytes: &[u8]) -> Vec<u8> {
    bytes.get(..MOST).unwrap_or(bytes).to_vec()
}

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let buffer = copy_of(bytes);
        let length = buffer.len();
        let written = self.file.write_at(self.offset, buffer).wait();
        let left = self.settle(written)?;
        Ok(length - left.len())
    }

    /// Nothing is kept back.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(feature = "tokio")]
mod tokio_writer {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};

    use super::{Writer, copy_of};

    impl Writer {
        /// Goes on until nothing is under way.
        fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            while let Some(write) = &mut self.under_way {
                let written = ready!(Pin::new(write).poll(context));
                self.under_way = None;
                let left = self.settle(written)?;
                if !left.is_empty() {
                    self.under_way = Some(self.file.write_at(self.offset, left));
                }
            }
            Poll::Ready(Ok(()))
        }
    }

    impl tokio::io::AsyncWrite for Writer {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            ready!(self.poll_idle(context))?;
            let buffer = copy_of(bytes);
            let length = buffer.len();
            self.under_way = Some(self.file.write_at(self.offset, buffer));
            Poll::Ready(Ok(length))
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.poll_idle(context)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.poll_idle(context)
        }
    }
}
