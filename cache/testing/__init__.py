"""The contract that every backend passes, shipped so that a new backend or a new kind of place is tested in ten lines.

It needs pytest, no extra, and the marker `slow` among the `markers` of the project that runs it; `-m "not slow"` leaves
out what takes minutes. Only `stateful` and `strategies` need hypothesis, only `s3_server` moto and the extra `s3`.

contract       StoreContract, FolderStoreContract, ObjectStoreContract: derive a Test class from one of them
reading, growing, damage
               promises that hold anywhere, one promise a test
folders, processes, disks
               promises of a folder of this machine
objects, leases
               promises of a place where nothing can be renamed or locked
interruptions  whatever stops a writer, at any of its steps
faults         how it is stopped: killed, torn, out of space, a broken disk
stateful, strategies
               any store, and anything that happens to it in any order, against a model (hypothesis)
example        a small store whose content is known
raw            bytes on a disk or in memory, read without our own reader
gate           a port before a server, which a test shuts
s3_server      a real S3 server behind such a gate, and its objects
slow_writer    a program that writes a store and can be killed
"""
