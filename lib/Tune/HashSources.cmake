# cmake -DFILES=a;b -P HashSources.cmake: writes KernelSources.h, one hash of all FILES.
set(text "")
foreach(path ${FILES})
  file(SHA256 "${path}" hash)
  string(APPEND text "${hash}")
endforeach()
string(SHA256 hash "${text}")
string(SUBSTRING "${hash}" 0 16 hash)
file(WRITE KernelSources.h "#define ANYBIT_KERNEL_SOURCES \"${hash}\"\n")
