"""The edge: nginx as the one public address, routing as the Ingress does on Kubernetes."""

import os
import shutil

from parley.infra import version_of
from parley.layout import Layout, write_atomically
from parley.problem import Problem
from parley.supervise import Spec


def _configuration(layout: Layout) -> str:
    ports = layout.ports
    folder = layout.data / "edge"
    address = os.environ.get("PARLEY_EDGE_ADDRESS", "127.0.0.1")
    user = "user www-data;" if os.getuid() == 0 else ""
    # As root nginx uses Debian's own folders for what it must put on disk.
    temporary = ""
    if os.getuid() != 0:
        temporary = "\n".join(
            f"    {kind}_temp_path {folder}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
    return f"""\
# Written by ./run. Routes as the Ingress does on Kubernetes.
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log stderr warn;
{user}

events {{
    worker_connections 8192;
}}

http {{
    access_log off;
    server_tokens off;
    default_type application/octet-stream;
    tcp_nodelay on;
    keepalive_timeout 65s;
    keepalive_requests 100000;
    client_header_timeout 10s;
    client_body_timeout 15s;
    client_body_buffer_size 64k;
    large_client_header_buffers 4 16k;
{temporary}

    # A tunnel in front of us knows the protocol and the address that people used.
    map $http_x_forwarded_proto $forwarded_proto {{
        default $http_x_forwarded_proto;
        ''      $scheme;
    }}
    map $http_upgrade $connection_upgrade {{
        default upgrade;
        ''      '';
    }}

    # Idle connections are given up before the services do, which close theirs after 5 s.
    upstream http {{
        server 127.0.0.1:{ports.http} max_fails=0;
        keepalive 64;
        keepalive_timeout 3s;
    }}
    upstream live {{
        server 127.0.0.1:{ports.live} max_fails=0;
    }}
    upstream webhooks {{
        server 127.0.0.1:{ports.ingest} max_fails=0;
        keepalive 64;
        keepalive_timeout 3s;
    }}

    proxy_http_version 1.1;
    proxy_connect_timeout 2s;
    proxy_read_timeout 60s;
    proxy_send_timeout 30s;
    # A request is never given to a service twice: that is for its sender to decide.
    proxy_next_upstream off;
    proxy_set_header Connection '';
    proxy_set_header Host $http_host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-Proto $forwarded_proto;

    server {{
        listen {address}:{ports.edge} backlog=1024;

        location / {{
            client_max_body_size 16m;
            proxy_pass http://http;
        }}

        location /webhooks/ {{
            # The service refuses more than 64 KiB itself, with a reason.
            client_max_body_size 1m;
            proxy_pass http://webhooks;
        }}
        location /api/webhooks/ {{
            client_max_body_size 1m;
            proxy_pass http://webhooks;
        }}

        location = /v1/live {{
            proxy_buffering off;
            proxy_read_timeout 1h;
            proxy_pass http://live;
        }}
        location /socket.io/ {{
            client_max_body_size 1m;
            proxy_buffering off;
            proxy_read_timeout 1h;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header Host $http_host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Proto $forwarded_proto;
            proxy_pass http://live;
        }}
    }}
}}
"""


def prepare(layout: Layout) -> Spec:
    """Writes nginx's configuration, and says how to run it."""
    folder = layout.data / "edge"
    folder.mkdir(parents=True, exist_ok=True)
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        raise Problem(
            "The edge cannot start", "nginx is missing", "Install the package nginx-light"
        )
    text = _configuration(layout)
    path = layout.config / "nginx.conf"
    write_atomically(path, text)
    return Spec(
        name="edge",
        command=[program, "-e", "stderr", "-p", str(folder), "-c", str(path)],
        environment={"PATH": "/usr/bin:/bin"},
        log=str(layout.log / "edge.log"),
        folder=str(folder),
        stop_seconds=5.0,
        version=version_of(text),
    )
