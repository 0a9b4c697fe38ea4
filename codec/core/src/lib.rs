//! The good path of ftwire, compiled. Whatever is not plain sailing is left to the Python code, which stays the
//! one place of every limit, error and meaning: this crate can give up early, and never judge otherwise.
#![forbid(unsafe_code)]

mod body;
mod cipher;
mod frames;
mod packets;

use pyo3::prelude::*;

#[pymodule]
fn ftwire_core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<frames::Codec>()?;
    module.add_class::<body::JsonWriter>()?;
    module.add_class::<body::Projection>()?;
    module.add_function(wrap_pyfunction!(packets::scan_pcap, module)?)?;
    module.add_function(wrap_pyfunction!(packets::scan_pcapng, module)?)?;
    Ok(())
}
