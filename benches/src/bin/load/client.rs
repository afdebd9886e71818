//! A client of the API over one kept connection.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

use crate::Result;

pub(crate) struct Client {
    stream: BufStream<TcpStream>,
    body: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(api: SocketAddr) -> Result<Client> {
        let stream = TcpStream::connect(api).await?;
        stream.set_nodelay(true)?;
        Ok(Client { stream: BufStream::new(stream), body: Vec::new() })
    }

    /// One call; the answer is read as JSON.
    pub(crate) async fn call(&mut self, operation: &str, request: &Value) -> Result<Value> {
        self.send(operation, &request.to_string()).await?;
        if self.body.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(&self.body)?) }
    }

    /// One call whose answer is only received.
    pub(crate) async fn send(&mut self, operation: &str, request: &str) -> Result<()> {
        let head = format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-amz-json-1.1\r\n\
             x-amz-target: Route53AutoNaming_v20170314.{operation}\r\ncontent-length: {}\r\n\r\n",
            request.len(),
        );
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.write_all(request.as_bytes()).await?;
        self.stream.flush().await?;
        let (mut line, mut len, mut status) = (String::new(), 0usize, None);
        loop {
            line.clear();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err("the server closed the connection".into());
            }
            let text = line.trim_end();
            status.get_or_insert_with(|| text.to_owned());
            if text.is_empty() {
                break;
            }
            if let Some(value) = text.to_ascii_lowercase().strip_prefix("content-length:") {
                len = value.trim().parse()?;
            }
        }
        self.body.resize(len, 0);
        self.stream.read_exact(&mut self.body).await?;
        match status {
            Some(status) if status.contains(" 200 ") => Ok(()),
            status => Err(format!("{operation}: {status:?} {}", String::from_utf8_lossy(&self.body)).into()),
        }
    }

    /// A new namespace and a service in it with A and SRV records: the service's id and its name in DNS.
    pub(crate) async fn service(&mut self, label: &str) -> Result<(String, String)> {
        let namespace = format!("{label}-{}.example", std::process::id());
        let operation = self.call("CreatePublicDnsNamespace", &json!({ "Name": namespace })).await?;
        let operation =
            self.call("GetOperation", &json!({ "OperationId": operation["OperationId"] })).await?;
        let records = json!([{ "Type": "A", "TTL": 5 }, { "Type": "SRV", "TTL": 5 }]);
        let request = json!({
            "Name": "svc",
            "NamespaceId": operation["Operation"]["Targets"]["NAMESPACE"],
            "DnsConfig": { "DnsRecords": records },
        });
        let service = self.call("CreateService", &request).await?;
        let id = service["Service"]["Id"].as_str().ok_or("no service id")?.to_owned();
        Ok((id, namespace))
    }
}

/// A RegisterInstance request.
pub(crate) fn registration(service: &str, instance: usize, address: usize) -> String {
    let [_, .., a, b, c] = address.to_be_bytes();
    json!({
        "ServiceId": service,
        "InstanceId": format!("i-{instance}"),
        "Attributes": { "AWS_INSTANCE_IPV4": format!("10.{a}.{b}.{c}"), "AWS_INSTANCE_PORT": "8080", "ECS_CLUSTER_NAME": "load" },
    })
    .to_string()
}
