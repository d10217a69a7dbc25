"""The contract that every backend passes, shipped so that a new backend is tested in ten lines.

contract       StoreContract: derive a Test class from it, give `suffix` and raw access
reading, growing, damage, processes, disks
               its parts, one promise a test
example        a small store whose content is known
raw            bytes on disk, past our own reader
slow_writer    a program that writes a store and can be killed
"""
