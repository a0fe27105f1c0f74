metadata description = 'The workbook that answers the operator\'s questions. Its content stands in workbook.json.'

param name string
param location string
param tags { *: string }
param workspaceName string

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' existing = {
  name: workspaceName
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Customer Insights Event Bridge'
    category: 'workbook'
    version: 'Notebook/1.0'
    sourceId: workspace.id
    serializedData: replace(loadTextContent('../workbook.json'), '<workspace-id>', workspace.id)
  }
}
