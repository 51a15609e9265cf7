//! Writes `docs/rpc.md` from the method types.

fn main() -> std::io::Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/rpc.md");
    std::fs::write(path, proto_json::openrpc::reference())
}
