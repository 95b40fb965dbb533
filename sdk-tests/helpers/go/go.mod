module wxgatesandbox

go 1.19
