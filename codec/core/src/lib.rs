//! ftwire's compiled core: pure functions with twins in Python, which are the reference. For input that a function does
//! not handle it returns `None`, and the Python code handles it: all limits, errors and messages are there.
#![forbid(unsafe_code)]

mod body;
mod cipher;
mod columns;
mod frames;
mod packets;

use pyo3::prelude::*;

/// Number of the interface, as `ftwire._core` has it: one more with every change of a name, signature or meaning here.
const INTERFACE: u32 = 6;

#[pymodule]
fn ftwire_core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("INTERFACE", INTERFACE)?;
    module.add_class::<frames::Codec>()?;
    module.add_function(wrap_pyfunction!(frames::take, module)?)?;
    module.add_class::<columns::BodyColumns>()?;
    module.add_class::<body::BodyCheck>()?;
    module.add_class::<body::JsonWriter>()?;
    module.add_class::<body::Projection>()?;
    module.add_function(wrap_pyfunction!(packets::scan_pcap, module)?)?;
    module.add_function(wrap_pyfunction!(packets::scan_pcapng, module)?)?;
    module.add_function(wrap_pyfunction!(packets::follow_pcap, module)?)?;
    module.add_function(wrap_pyfunction!(packets::follow_pcapng, module)?)?;
    Ok(())
}
