//! Files handed to a storage, by a person's browser or by the node itself.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::datastore::known;
use crate::call::Call;
use crate::reply::{ApiError, Outcome};
use crate::state::storage::{Volume, format_of};
use crate::tasks::Start;

/// Whether a file's ending fits a kind of content.
pub(super) fn ending_fits(file: &str, content: &str) -> bool {
    let ends = |endings: &[&str]| endings.iter().any(|e| file.to_ascii_lowercase().ends_with(e));
    match content {
        "vztmpl" => ends(&[".tar.gz", ".tar.xz", ".tar.zst", ".tar.bz2", ".tar"]),
        "iso" => ends(&[".iso", ".img"]),
        "import" => ends(&[".ova", ".qcow2", ".raw", ".vmdk"]),
        _ => false,
    }
}

fn folder(content: &str) -> (&'static str, &'static str) {
    match content {
        "iso" => ("iso", "template/iso"),
        "import" => ("import", "import"),
        _ => ("vztmpl", "template/cache"),
    }
}

/// `POST …/upload`.
pub(super) fn upload(mut call: Call) -> Outcome {
    let storage = known(&call)?;
    let id = call.params.need("storage").to_owned();
    let content = call.params.need("content").to_owned();
    let name = call.params.need("filename").to_owned();
    let bytes = call.params.take_file();
    let file: String = name
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.+~".contains(c) { c } else { '_' })
        .collect();
    if !ending_fits(&file, &content) {
        return Err(ApiError::parameter("filename", "wrong file extension"));
    }
    if !storage.takes(&content) {
        return Err(ApiError::died(format!("storage '{id}' does not support '{content}' content")));
    }
    let Some(bytes) = bytes else {
        return Err(ApiError::died("temporary file '' does not exist"));
    };
    let (kind, folder) = folder(&content);
    let volid = format!("{id}:{kind}/{file}");
    let start = Start { node: &call.host, kind: "imgcopy", id: String::new(), who: &call.who };
    let (node, host) = (Arc::clone(&call.node), call.host.clone());
    let task = call.node.tasks.start(&call.node, &start, move |task| async move {
        let target = node.store.view().path_of(&volid);
        let source = format!("/var/tmp/pveupload-{}", crate::serve::secret().replace('-', ""));
        task.log(format!("starting file import from: {source}"));
        task.log(format!("target node: {host}"));
        task.log(format!("target file: {target}"));
        task.log(format!("file size is: {}", bytes.len()));
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if node.store.view().free(&host, &id) < size {
            return Err(ApiError::died(format!(
                "import failed: cp: error writing '{target}': No space left on device"
            )));
        }
        task.log(format!("command: cp -- {source} {target}"));
        let dir: PathBuf = node.storage_dir(&host, &id).join(folder);
        let write = std::fs::create_dir_all(&dir).and_then(|()| std::fs::write(dir.join(&file), &bytes));
        write.map_err(|e| ApiError::died(format!("import failed: {e}")))?;
        node.change(|state| {
            state.put_volume(Volume {
                node: host.clone(),
                storage: id.clone(),
                volid: volid.clone(),
                content: content.clone(),
                format: format_of(&file, &content),
                size,
                ctime: node.clock.now(),
                ..Volume::default()
            });
            Ok(())
        })?;
        task.log("finished file import successfully");
        Ok(())
    })?;
    Ok(Value::String(task.upid.to_string()).into())
}

/// The parts of a multipart body up to its file: fields as they are, the file's name, and its bytes.
pub(crate) fn decode_multipart(kind: &str, body: &[u8]) -> (serde_json::Map<String, Value>, Option<Vec<u8>>) {
    let mut fields = serde_json::Map::new();
    let boundary = kind.split(';').find_map(|p| p.trim().strip_prefix("boundary=")).unwrap_or_default();
    let mark = [b"--", boundary.trim_matches('"').as_bytes()].concat();
    let mut rest = body;
    while let Some(at) = find(rest, &mark) {
        rest = &rest[at + mark.len()..];
        let Some(head) = find(rest, b"\r\n\r\n") else { break };
        let header = String::from_utf8_lossy(&rest[..head]).into_owned();
        let content = &rest[head + 4..];
        let end = find(content, &[b"\r\n", mark.as_slice()].concat()).unwrap_or(content.len());
        let (value, after) = (&content[..end], &content[end..]);
        rest = after;
        let Some(name) = quoted(&header, "name") else { continue };
        if let Some(file) = quoted(&header, "filename") {
            // What comes after the file is not read any more.
            fields.insert(name, json!(file));
            return (fields, Some(value.to_vec()));
        }
        fields.insert(name, json!(String::from_utf8_lossy(value)));
    }
    (fields, None)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len().max(1)).position(|window| window == needle)
}

fn quoted(header: &str, name: &str) -> Option<String> {
    let (_, rest) = header.split_once(&format!(" {name}=\""))?;
    rest.split('"').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "multipart/form-data; boundary=xx";

    #[test]
    fn fields_before_the_file_are_read_and_those_after_it_are_not() {
        let body = b"--xx\r\nContent-Disposition: form-data; name=\"content\"\r\n\r\nvztmpl\r\n--xx\r\n\
            Content-Disposition: form-data; name=\"filename\"; filename=\"a.tar\"\r\n\r\n\x00\r\nend\r\n--xx\r\n\
            Content-Disposition: form-data; name=\"late\"\r\n\r\n1\r\n--xx--\r\n";
        let (fields, file) = decode_multipart(KIND, body);
        assert_eq!(Value::Object(fields), json!({ "content": "vztmpl", "filename": "a.tar" }));
        assert_eq!(file.unwrap(), b"\x00\r\nend");
    }

    #[test]
    fn a_body_of_something_else_holds_nothing() {
        assert_eq!(decode_multipart(KIND, b"a=1&b=2"), (serde_json::Map::new(), None));
    }

    #[test]
    fn an_ending_fits_its_content() {
        assert!(ending_fits("a.TAR.GZ", "vztmpl") && ending_fits("a.iso", "iso"));
        assert!(!ending_fits("a.exe", "vztmpl") && !ending_fits("a.tar", "iso"));
    }
}
