"""The servers Arc Fabric can bring along, and the supervisor behind `arc-fabric up`.

    ports       free ports
    process     one supervised child: log file, tied to our life, clean stop
    parent_death    the shim that ties a child to its parent
    credentials the embedded object store's keys, made once, readable by the owner only
    valkey      the embedded Redis-protocol server
    weed        the embedded S3 server

Everything here binds to loopback only.
"""
