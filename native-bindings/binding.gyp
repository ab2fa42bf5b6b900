{
  "targets": [
    {
      "target_name": "netgraph",
      "sources": ["addon.cc", "tap.cc", "poller.cc", "ring.cc", "read.cc", "write.cc", "gro.cc", "netns.cc", "netlink.cc",
                  "peer.cc", "exec.cc", "handover.cc", "service.cc"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NAPI_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED"],
      "cflags!": ["-O3", "-fno-exceptions"],
      "cflags_cc!": ["-O3", "-fno-exceptions", "-std=gnu++17"],
      "cflags_cc": ["-std=gnu++17", "-fexceptions", "-Wall", "-Wextra", "-Werror", "-O2",
                    "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3", "-fstack-protector-strong",
                    "-Wno-error=cpp"],  # what an older C library says of fortification that is less
    }
  ]
}
