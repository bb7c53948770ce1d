//! One call of a contract that changes nothing.

/// `self.<contract>().<method>(args).call()`, with its error named after the method.
macro_rules! read {
    ($chain:expr, $contract:expr, $method:ident($($arg:expr),*)) => {
        $contract
            .$method($($arg),*)
            .call()
            .await
            .map_err(|error| ChainError::contract($chain.rpc().name(), stringify!($method), error))
    };
}
pub(crate) use read;
