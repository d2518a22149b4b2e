{
  "targets": [
    {
      "target_name": "weft",
      "sources": [
        "addon.c",
        "memory.c",
        "netns.c",
        "netlink.c",
        "tap.c",
        "packet-ring.c",
        "burst.c",
        "watch.c",
        "poller.c",
        "wake-pipe.c",
        "fd-passing.c",
        "tls-engine.c",
        "tls-handles.c",
        "tls-credentials.c",
        "tls-datagram.c",
        "tls-context.c",
        "tls-connection.c",
        "tls-bio.c",
        "tls-keylog.c",
        "tls-ocsp.c",
        "tls-peer.c",
        "tls-random.c",
        "tls-step.c",
        "tls-tickets.c"
      ],
      "defines": ["NAPI_VERSION=8", "_GNU_SOURCE"],
      "cflags": ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden"],
      "cflags!": ["-fno-omit-frame-pointer"]
    }
  ]
}
